/* Defenders and a learned attacker in one training: the same bits for any number of ranks, whoever
 * learns, ahead or not, and after a stop; an attacker that is fixed stays as it is.
 * RUN: np=1,2,3,4
 */
#include "core/base/hash.h"
#include "mpi/comm/stop.h"
#include "mpi/jobs/attacked.h"
#include "tests/mpi/tiny.h"

#include <math.h>

/* As tiny_train(), with every team that the configuration asks for. */
static enum err train(struct ranks *r, struct tiny_run *t, struct experiment *x, bool resume)
{
    struct attacked sources;
    struct train_setup setup = {
        .run_dir = x->cfg.run.dir, .config = (const char *)x->resolved.data, .config_digest = 5};
    const struct train_options opt = {.resume = resume};
    TRY(comm_agree(&r->c, attacked_setup(&setup, &sources, x)));
    return train_run(&r->c, &t->digest, &setup, &opt);
}

static enum err go_in(struct ranks *r, struct tiny_run *t, bool resume)
{
    struct experiment x;
    char dir[600];
    snprintf(t->dir, sizeof t->dir, "%s.np%d", program_invocation_name, r->c.size);
    snprintf(dir, sizeof dir, "run.dir=%s", t->dir);
    tiny_set(t, dir);
    if (!resume) {
        tiny_remove(r, t->dir);
    }
    stop_listen(); /* and forget a signal of the training before */
    const enum err loaded =
        experiment_load(&x, "configs/experiments/tiny.yaml", t->sets, t->n_sets);
    t->n_sets--;
    enum err e = comm_agree(&r->c, loaded);
    if (e == ERR_OK) {
        e = train(r, t, &x, resume);
    }
    if (loaded == ERR_OK) {
        experiment_release(&x);
    }
    return e;
}

static struct tiny_run run(const char *a, const char *b)
{
    struct tiny_run t = {0};
    tiny_set(&t, a);
    if (b != NULL) {
        tiny_set(&t, b);
    }
    return t;
}

static void test_golden(struct ranks *r)
{
    static const char *const learners[] = {"train.learners=0", "train.learners=1",
                                           "train.learners=2"};
    for (int i = 0; i < 3 && i < r->c.size; i++) {
        struct tiny_run t = run("train.opponent=together", learners[i]);
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        EXPECT(r, tiny_same(learners[i], t.digest, tiny_golden("together")));
    }
}

static void test_alternating(struct ranks *r)
{
    struct tiny_run t = run("train.opponent=alternating", "train.opponent_updates=2");
    tiny_set(&t, "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    EXPECT(r, tiny_same("alternating", t.digest, tiny_golden("alternating")));
}

/* A rollout that runs ahead, of both teams: another algorithm, the same for whoever learns. */
static void test_pipeline(struct ranks *r)
{
    uint64_t first = 0;
    for (int learners = 0; learners < (r->c.size > 1 ? 2 : 1); learners++) {
        struct tiny_run t = run("train.opponent=together", "train.pipeline=1");
        tiny_set(&t, learners == 0 ? "train.learners=0" : "train.learners=1");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        first = learners == 0 ? t.digest : first;
        EXPECT(r, tiny_same("pipeline", t.digest, first));
        EXPECT(r, t.digest != tiny_golden("together"));
    }
}

/* From the checkpoint of update 3 of 5, by other learners, ahead or not. */
static void test_resume(struct ranks *r)
{
    for (int ahead = 0; ahead < 2; ahead++) {
        const char *pipeline = ahead == 1 ? "train.pipeline=1" : "train.pipeline=0";
        struct tiny_run t = run("train.opponent=together", pipeline);
        tiny_set(&t, "train.checkpoint_every=3");
        tiny_set(&t, "train.learners=0");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        const uint64_t whole = t.digest;
        EXPECT(r, ahead == 1 || tiny_same("whole", whole, tiny_golden("together")));
        t = run("train.opponent=together", pipeline);
        tiny_set(&t, r->c.size > 1 ? "train.learners=1" : "train.learners=0");
        EXPECT(r, go_in(r, &t, true) == ERR_OK);
        EXPECT(r, tiny_same("resumed", t.digest, whole));
    }
}

static uint64_t file_hash(const char *path)
{
    static char bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    const size_t n = f == NULL ? 0 : fread(bytes, 1, sizeof bytes, f);
    if (f != NULL) {
        fclose(f);
    }
    return hash_fnv1a(HASH_START, bytes, n);
}

/* The policy of an attacker, kept outside of the run directory that the next training clears. */
static void keep_policy(struct ranks *r, const struct tiny_run *t, char *path, size_t n)
{
    char command[1400];
    snprintf(path, n, "%s.bin", t->dir);
    snprintf(command, sizeof command, "cp '%s/policy/attacker.bin' '%s'", t->dir, path);
    EXPECT(r, r->c.rank != 0 || system(command) == 0);
    EXPECT(r, comm_barrier(&r->c) == ERR_OK);
}

/* What the run directory's metrics.csv says in its last row under `name`. */
static double last_metric(const struct tiny_run *t, const char *name)
{
    char path[600], head[4096] = "", row[4096] = "", line[4096];
    snprintf(path, sizeof path, "%s/metrics.csv", t->dir);
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        snprintf(head[0] == '\0' ? head : row, sizeof row, "%s", line);
    }
    if (f != NULL) {
        fclose(f);
    }
    char *more_head = NULL, *more_row = NULL;
    char *column = strtok_r(head, ",\n", &more_head), *value = strtok_r(row, ",\n", &more_row);
    while (column != NULL && value != NULL && strcmp(column, name) != 0) {
        column = strtok_r(NULL, ",\n", &more_head);
        value = strtok_r(NULL, ",\n", &more_row);
    }
    return column == NULL || value == NULL ? (double)NAN : strtod(value, NULL);
}

static void test_fixed(struct ranks *r)
{
    char kept[600], set[700], file[700];
    struct tiny_run t = run("train.opponent=together", "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    if (r->c.rank == 0) {
        const double defenders = last_metric(&t, "step_reward");
        const double attacker = last_metric(&t, "attacker.step_reward");
        EXPECT(r, fabs(defenders + attacker) < 1e-5 && defenders > 0.0);
        EXPECT(r, last_metric(&t, "attacker.requests_spent") > 0.0);
        EXPECT(r, last_metric(&t, "attacker.requests_spent") <= 1.0);
    }
    keep_policy(r, &t, kept, sizeof kept);
    const uint64_t before = file_hash(kept);
    snprintf(set, sizeof set, "attacker.policy=%s", kept);
    uint64_t first = 0;
    for (int learners = 0; learners < (r->c.size > 1 ? 2 : 1); learners++) {
        t = run("train.opponent=fixed", set);
        tiny_set(&t, learners == 0 ? "train.learners=0" : "train.learners=1");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        first = learners == 0 ? t.digest : first;
        EXPECT(r, tiny_same("fixed", t.digest, first));
    }
    snprintf(file, sizeof file, "%s/policy/attacker.bin", t.dir);
    EXPECT(r, r->c.rank != 0 || file_hash(file) != 0);
    if (r->c.rank == 0) {
        EXPECT(r, before == file_hash(kept));
        EXPECT(r, isnan(last_metric(&t, "attacker.kl"))); /* it does not learn */
        EXPECT(r, remove(kept) == 0);
    }
    tiny_remove(r, t.dir);
}

/* Half of the episodes with an attacker that was trained before, and half without one. */
static void test_population(struct ranks *r)
{
    char kept[600], set[700];
    struct tiny_run t = run("train.opponent=together", "train.learners=0");
    EXPECT(r, go_in(r, &t, false) == ERR_OK);
    const double attacked = r->c.rank == 0 ? last_metric(&t, "attacker.requests_spent") : 1.0;
    EXPECT(r, attacked > 0.0);
    keep_policy(r, &t, kept, sizeof kept);
    snprintf(set, sizeof set, "attacker.members=['%s', '']", kept);
    for (int learners = 0; learners < (r->c.size > 1 ? 2 : 1); learners++) {
        t = run("train.opponent=population", set);
        tiny_set(&t, learners == 0 ? "train.learners=0" : "train.learners=1");
        EXPECT(r, go_in(r, &t, false) == ERR_OK);
        EXPECT(r, tiny_same("population", t.digest, tiny_golden("population")));
        EXPECT(r, t.digest != tiny_golden("scratch"));
    }
    EXPECT(r, r->c.rank != 0 || remove(kept) == 0);
    tiny_remove(r, t.dir);
}

static const struct ranks_test tests[] = {
    {"an attacker: the committed digest, whoever learns", test_golden},
    {"by turns: the committed digest", test_alternating},
    {"both teams ahead", test_pipeline},
    {"resumed by other learners", test_resume},
    {"a fixed attacker", test_fixed},
    {"attackers of a population: the committed digest, whoever learns", test_population},
};

int main(int argc, char **argv)
{
    return ranks_main(argc, argv, tests, (int)(sizeof tests / sizeof *tests));
}
