/* Tests on several ranks: every rank runs every test, a test passes when no rank noticed a fault.
 *
 * EXPECT() notes a fault and goes on: a rank that jumped out of a test would leave the others
 * waiting in the next collective call. Rank 0 prints TAP; all ranks return the same exit status.
 */
#ifndef KARMA_TESTS_MPI_RANKS_H
#define KARMA_TESTS_MPI_RANKS_H

#include "core/base/log.h"
#include "core/base/rng.h"
#include "mpi/comm/comm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ranks {
    struct comm c;
    int n_faults;      /* of this rank in this test */
    char logged[4096]; /* the last line of the log, at every level */
    int n_logged;
};

#define EXPECT(r, cond)                                                                            \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            (r)->n_faults++;                                                                       \
            fprintf(stderr, "rank %d of %d: %s:%d: %s\n", (r)->c.rank, (r)->c.size, __FILE__,      \
                    __LINE__, #cond);                                                              \
        }                                                                                          \
    } while (0)

struct ranks_test {
    const char *name;
    void (*run)(struct ranks *r);
};

static inline void ranks_keep_line(void *ctx, enum log_level level, const char *line)
{
    (void)level;
    struct ranks *r = ctx;
    snprintf(r->logged, sizeof(r->logged), "%s", line);
    r->n_logged++;
}

/* Whether a test of this name passed on all ranks. */
static inline bool ranks_run_one(struct ranks *r, const struct ranks_test *test)
{
    r->n_faults = 0;
    r->n_logged = 0;
    r->logged[0] = '\0';
    log_set_sink(ranks_keep_line, r);
    test->run(r);
    log_set_sink(NULL, NULL);
    return comm_agree(&r->c, r->n_faults > 0 ? ERR_FAILED : ERR_OK) == ERR_OK;
}

static inline int ranks_main(int argc, char **argv, const struct ranks_test *tests, int n)
{
    static struct ranks r;
    if (comm_init(&r.c, &argc, &argv) != ERR_OK) {
        return 1;
    }
    log_init(r.c.rank);
    int n_failed = 0;
    if (r.c.rank == 0) {
        printf("1..%d\n", n);
    }
    for (int i = 0; i < n; i++) {
        bool ok = ranks_run_one(&r, &tests[i]);
        n_failed += !ok;
        if (r.c.rank == 0) {
            printf("%s %d - %s\n", ok ? "ok" : "not ok", i + 1, tests[i].name);
            fflush(stdout);
        }
    }
    comm_finalize(&r.c);
    return n_failed == 0 ? 0 : 1;
}

/* A float in [-1, 1) that depends on nothing but its arguments. */
static inline float ranks_noise(uint32_t a, uint32_t b)
{
    struct rng_block block = rng_philox(rng_key(1, RNG_TEST, RNG_TRAIN), a, b, 0, 0);
    return 2.0f * rng_f32(block.v[0]) - 1.0f;
}

#endif
