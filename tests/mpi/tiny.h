/* Training configs/experiments/tiny.yaml through the library, and the committed digest. */
#ifndef KARMA_TESTS_MPI_TINY_H
#define KARMA_TESTS_MPI_TINY_H

#include "mpi/jobs/experiment.h"
#include "mpi/train/train.h"
#include "mpi/train/train_game.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/run_files.h"

#include <errno.h>
#include <inttypes.h>

enum { TINY_SETS_MAX = 16 };

/* One training and what came of it. */
struct tiny_run {
    const char *sets[TINY_SETS_MAX];
    int n_sets;
    void (*change)(struct experiment *x, void *ctx); /* before it starts; may be NULL */
    void *ctx;
    char dir[512]; /* of the run; removed by the next one */
    uint64_t digest;
};

static inline void tiny_set(struct tiny_run *t, const char *key_value)
{
    t->sets[t->n_sets++] = key_value;
}

static inline enum err tiny_train(struct ranks *r, struct tiny_run *t, struct experiment *x)
{
    struct train_game game;
    struct train_setup setup = {
        .train = &x->cfg.train,
        .envs = &game.envs,
        .learners = game.learners,
        .interface = x->method.interface,
        .rules = &x->rules,
        .run_dir = x->cfg.run.dir,
        .config = (const char *)x->resolved.data,
        .features = x->method.columns,
    };
    const struct train_options opt = {0};
    if (t->change != NULL) {
        t->change(x, t->ctx);
    }
    train_game_init(&game, &x->cfg.train, &x->method);
    TRY(comm_agree(&r->c, arena_error(&x->arena)));
    return train_run(&r->c, &t->digest, &setup, &opt);
}

/* Collective. Trains with the given settings; the error is the same on all ranks. */
static inline enum err tiny_go(struct ranks *r, struct tiny_run *t)
{
    struct experiment x;
    char dir[600];
    snprintf(t->dir, sizeof t->dir, "%s.np%d", program_invocation_name, r->c.size);
    snprintf(dir, sizeof dir, "run.dir=%s", t->dir);
    tiny_set(t, dir);
    run_remove(r, t->dir);
    const enum err loaded =
        experiment_load(&x, "configs/experiments/tiny.yaml", t->sets, t->n_sets);
    t->n_sets--;
    enum err e = comm_agree(&r->c, loaded);
    if (e == ERR_OK) {
        e = tiny_train(r, t, &x);
    }
    if (loaded == ERR_OK) {
        experiment_release(&x);
    }
    return e;
}

/* The committed digest of a run that starts like `what` (scratch, clone). */
static inline uint64_t tiny_golden(const char *what)
{
    uint64_t digest = 0;
    char word[32], hex[32], line[128];
    FILE *f = fopen("tests/golden/tiny.txt", "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%31s %31[0-9a-f]", word, hex) == 2 && strcmp(word, what) == 0) {
            digest = strtoull(hex, NULL, 16);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return digest;
}

static inline bool tiny_same(const char *what, uint64_t got, uint64_t want)
{
    if (got != want) {
        fprintf(stderr, "%s: digest %016" PRIx64 ", expected %016" PRIx64 "\n", what, got, want);
    }
    return got == want;
}

#endif
