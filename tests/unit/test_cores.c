/* Cores: matchings of ranks to cores against all assignments tried one by one, and the cores of
 * this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "mpi/comm/cores.h"

#include <string.h>

static struct core_set set_of(unsigned bits)
{
    struct core_set s = {{0}};
    for (int core = 0; core < 32; core++) {
        if ((bits >> core & 1) != 0) {
            cores_add(&s, core);
        }
    }
    return s;
}

static void counting(void **state)
{
    (void)state;
    struct core_set a = set_of(0x5), b = set_of(0x6);
    cores_add(&b, CORES_MAX - 1);
    assert_int_equal(cores_count(&a), 2);
    cores_unite(&a, &b);
    assert_int_equal(cores_count(&a), 4);
    assert_true(cores_has(&a, CORES_MAX - 1) && cores_has(&a, 1) && !cores_has(&a, 3));
}

/* The largest number of ranks from `rank` on that get cores which `used` leaves. */
static int best(const unsigned *masks, int n, int rank, unsigned used)
{
    int most = rank == n ? 0 : best(masks, n, rank + 1, used);
    for (int core = 0; rank < n && core < 5; core++) {
        const unsigned bit = 1U << core;
        if ((masks[rank] & bit) != 0 && (used & bit) == 0) {
            const int with = 1 + best(masks, n, rank + 1, used | bit);
            most = with > most ? with : most;
        }
    }
    return most;
}

static void matchings_are_maximal(void **state)
{
    (void)state;
    enum { TRIALS = 3000, RANKS_MAX = 6 };
    const struct rng_key key = {{7, 11}};
    for (uint32_t t = 0; t < TRIALS; t++) {
        struct core_set sets[RANKS_MAX];
        unsigned masks[RANKS_MAX], used = 0;
        int core_of[RANKS_MAX], n = 1 + (int)(t % RANKS_MAX), with = 0;
        const struct rng_block b = rng_philox(key, t, 0, 0, 0), more = rng_philox(key, t, 1, 0, 0);
        for (int i = 0; i < n; i++) {
            masks[i] = (i < 4 ? b.v[i] : more.v[i - 4]) & 31U;
            masks[i] &= t % 2 == 0 ? b.v[i % 4] >> 7 : ~0U; /* half of the trials: sparse */
            sets[i] = set_of(masks[i]);
        }
        const int matched = cores_match(core_of, sets, n);
        for (int i = 0; i < n; i++) {
            if (core_of[i] >= 0) {
                assert_true(cores_has(&sets[i], core_of[i]));
                assert_false(used >> core_of[i] & 1);
                used |= 1U << core_of[i];
                with++;
            }
        }
        assert_int_equal(with, matched);
        assert_int_equal(matched, best(masks, n, 0, 0));
    }
}

/* More ranks than cores, all with full masks: the usual oversubscribed host. */
static void many_ranks(void **state)
{
    (void)state;
    enum { RANKS = 512 };
    static struct core_set sets[RANKS];
    static int core_of[RANKS];
    for (int i = 0; i < RANKS; i++) {
        memset(&sets[i], 0, sizeof sets[i]);
        for (int core = 0; core < 96; core++) {
            cores_add(&sets[i], core);
        }
    }
    assert_int_equal(cores_match(core_of, sets, RANKS), 96);
}

static void ours(void **state)
{
    (void)state;
    struct core_set s;
    int n_cpus;
    if (!cores_usable(&s, &n_cpus)) {
        skip();
    }
    assert_true(n_cpus >= 1 && cores_count(&s) >= 1 && cores_count(&s) <= n_cpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting),
        cmocka_unit_test(matchings_are_maximal),
        cmocka_unit_test(many_ranks),
        cmocka_unit_test(ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
