/* Random numbers: published vectors, pinned keys, ranges, and moments of the distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/rng.h"

#include <math.h>
#include <stdlib.h>

static void check_block(struct rng_key key, uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                        const uint32_t want[4])
{
    struct rng_block got = rng_philox(key, a, b, c, d);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(got.v[i], want[i]);
    }
}

/* Random123, tests/kat_vectors, "philox4x32 10". */
static void philox_gives_the_published_vectors(void **state)
{
    (void)state;
    const uint32_t ff = 0xffffffffu;
    const uint32_t zeros[4] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
    const uint32_t ones[4] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
    const uint32_t digits[4] = {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u};
    check_block((struct rng_key){{0, 0}}, 0, 0, 0, 0, zeros);
    check_block((struct rng_key){{ff, ff}}, ff, ff, ff, ff, ones);
    check_block((struct rng_key){{0xa4093822u, 0x299f31d0u}}, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu,
                0x03707344u, digits);
}

/* Coordinates that differ in every lane, small ones and ones with all bits. */
static void lanes_have_the_bits_of_single_draws(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 2000; n++) {
        const struct rng_key key = rng_key(n, RNG_TEST, RNG_TRAIN);
        const struct rng_block e = rng_philox(key, n, 0, 0, 1);
        uint32_t a[RNG_LANES], b[RNG_LANES], out[4][RNG_LANES];
        double exponential[RNG_LANES];
        for (uint32_t i = 0; i < RNG_LANES; i++) {
            a[i] = n % 2 == 0 ? n + i : e.v[0] * (i + 1);
            b[i] = n % 3 == 0 ? 7 : e.v[1] ^ (0x80000001u * i);
        }
        rng_philox_lanes(out, key, a, b, e.v[2], e.v[3]);
        rng_exponential_lanes(exponential, out[n % 4]);
        for (int i = 0; i < RNG_LANES; i++) {
            const struct rng_block one = rng_philox(key, a[i], b[i], e.v[2], e.v[3]);
            for (int w = 0; w < 4; w++) {
                assert_int_equal(out[w][i], one.v[w]);
            }
            const double expected = rng_exponential(one.v[n % 4]);
            assert_memory_equal(&exponential[i], &expected, sizeof expected);
        }
    }
}

/* The ends of the range, powers of two and their neighbours. */
static void exponential_lanes_at_the_ends(void **state)
{
    (void)state;
    for (int bit = 0; bit < 32; bit++) {
        const uint32_t p = 1u << bit;
        const uint32_t v[RNG_LANES] = {p, p - 1, p + 1, ~p, 0u - p, 0, UINT32_MAX, UINT32_MAX / 3};
        double out[RNG_LANES];
        rng_exponential_lanes(out, v);
        for (int i = 0; i < RNG_LANES; i++) {
            const double expected = rng_exponential(v[i]);
            assert_memory_equal(&out[i], &expected, sizeof expected);
        }
    }
}

/* Computed from the definition in rng.c with a Python Philox. A change here changes every run. */
static void keys_are_pinned(void **state)
{
    (void)state;
    struct rng_key k = rng_key(1, RNG_ACTION, RNG_TRAIN);
    assert_int_equal(k.k[0], 0xfe97b4a0u);
    assert_int_equal(k.k[1], 0xd466a569u);
    k = rng_key(0x123456789abcdef0u, RNG_BOOTSTRAP, RNG_TEST_SPLIT);
    assert_int_equal(k.k[0], 0xf065c7efu);
    assert_int_equal(k.k[1], 0xce12ee8eu);
}

static void purposes_have_different_keys(void **state)
{
    (void)state;
    enum { N = 4 * RNG_TOPOLOGY * 3 };
    uint64_t seen[N];
    const uint64_t seeds[4] = {0, 1, 2, (uint64_t)1 << 32};
    int n = 0;
    for (int s = 0; s < 4; s++) {
        for (int domain = RNG_PARAM_INIT; domain <= RNG_TOPOLOGY; domain++) {
            for (int split = RNG_TRAIN; split <= RNG_TEST_SPLIT; split++) {
                struct rng_key k =
                    rng_key(seeds[s], (enum rng_domain)domain, (enum rng_split)split);
                seen[n++] = (uint64_t)k.k[0] << 32 | k.k[1];
            }
        }
    }
    assert_int_equal(n, N);
    for (int i = 0; i < n; i++) {
        for (int j = 0; j < i; j++) {
            assert_true(seen[i] != seen[j]);
        }
    }
}

static void numbers_stay_in_their_ranges(void **state)
{
    (void)state;
    assert_true(rng_f32(0) == 0.0f);
    assert_true(rng_f32(0xffffffffu) < 1.0f);
    assert_true(rng_open_f64(0) > 0.0);
    assert_true(rng_open_f64(0xffffffffu) == 1.0);
    assert_true(rng_f64(0xffffffffu, 0xffffffffu) < 1.0);
    assert_int_equal(rng_below(0, 7), 0);
    assert_int_equal(rng_below(0xffffffffu, 7), 6);
    assert_int_equal(rng_below(0xffffffffu, 1), 0);
    assert_true(rng_exponential(0xffffffffu) == 0.0);
    assert_true(fabs(rng_exponential(0) - 32.0 * 0.693147180559945309) < 1e-14);
    assert_true(isfinite(rng_normal(0, 0)));
}

/* -log of 1/2; Box-Muller at quarter turns: sqrt(2 log 2) times 1, 0, -1, 0. */
static void distributions_at_known_points(void **state)
{
    (void)state;
    const double log_2 = 0.693147180559945309, radius = 1.17741002251547469;
    const uint32_t half = 0x7fffffffu; /* rng_open_f64 gives exactly 1/2 */
    assert_true(fabs(rng_exponential(half) - log_2) < 1e-15);
    assert_true(fabs(rng_normal(half, 0) - radius) < 1e-15);
    assert_true(fabs(rng_normal(half, 0x40000000u)) < 1e-15);
    assert_true(fabs(rng_normal(half, 0x80000000u) + radius) < 1e-15);
    assert_true(fabs(rng_normal(half, 0xc0000000u)) < 1e-15);
    assert_true(fabs(rng_normal(half, 0x20000000u) - radius * 0.707106781186547524) < 1e-15);
}

enum { SAMPLES = 200000 };

/* Kolmogorov-Smirnov by counting in 64 cells of equal probability. The bound is 1.95 / sqrt(n),
 * which an honest generator exceeds once in a thousand seeds; the seed is fixed. */
static void check_cells(const int cells[64])
{
    double seen = 0.0;
    for (int i = 0; i < 64; i++) {
        seen += cells[i];
        assert_true(fabs(seen / SAMPLES - (i + 1) / 64.0) < 1.95 / sqrt((double)SAMPLES));
    }
}

static int cell(double probability)
{
    int i = (int)(64.0 * probability);
    return i < 0 ? 0 : i > 63 ? 63 : i;
}

static void samples_follow_their_distributions(void **state)
{
    (void)state;
    struct rng_key key = rng_key(2024, RNG_TEST, RNG_TRAIN);
    int uniform[64] = {0}, exponential[64] = {0}, normal[64] = {0};
    for (uint32_t i = 0; i < SAMPLES; i++) {
        struct rng_block b = rng_philox(key, i, 0, 0, 0);
        uniform[cell(rng_f32(b.v[0]))]++;
        exponential[cell(1.0 - exp(-rng_exponential(b.v[1])))]++;
        normal[cell(0.5 * erfc(-rng_normal(b.v[2], b.v[3]) / sqrt(2.0)))]++;
    }
    check_cells(uniform);
    check_cells(exponential);
    check_cells(normal);
}

/* Pinned: sorted with Python from the same definition. */
static void permutation_is_the_sorted_order(void **state)
{
    (void)state;
    const uint32_t want[10] = {5, 9, 0, 6, 4, 3, 7, 2, 1, 8};
    uint32_t out[10];
    uint64_t scratch[10];
    rng_permutation(out, scratch, 10, rng_key(1, RNG_ACTION, RNG_TRAIN), 3, 4, 5);
    assert_memory_equal(out, want, sizeof(want));
}

static int word_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Against the C library: the definition sorts all n words "value, index". */
static void permutation_is_that_of_qsort(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 64, 127, 128, 129, 1000, 4096, 4097};
    static uint32_t out[4097];
    static uint64_t words[4097], scratch[4097];
    const struct rng_key key = rng_key(9, RNG_MINIBATCH, RNG_TRAIN);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        const uint32_t n = sizes[s];
        for (uint32_t i = 0; i < n; i++) {
            words[i] = (uint64_t)rng_philox(key, i / 4, n, 1, 2).v[i % 4] << 32 | i;
        }
        qsort(words, n, sizeof(words[0]), word_order);
        rng_permutation(out, scratch, n, key, n, 1, 2);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(out[i], (uint32_t)words[i]);
        }
    }
}

static void permutation_holds_every_index_once(void **state)
{
    (void)state;
    enum { N = 1001 };
    static uint32_t out[N];
    static uint64_t scratch[N];
    struct rng_key key = rng_key(7, RNG_MINIBATCH, RNG_TRAIN);
    for (uint32_t n = 0; n <= N; n += 77) {
        char seen[N] = {0};
        rng_permutation(out, scratch, n, key, 0, 0, 0);
        for (uint32_t i = 0; i < n; i++) {
            assert_true(out[i] < n && !seen[out[i]]);
            seen[out[i]] = 1;
        }
    }
}

/* All 24 orders of four things, 24,000 draws: chi-square with 23 degrees of freedom, 99.9 % point
 * 49.7. */
static void permutations_are_equally_likely(void **state)
{
    (void)state;
    int count[256] = {0};
    struct rng_key key = rng_key(8, RNG_MINIBATCH, RNG_TRAIN);
    for (uint32_t draw = 0; draw < 24000; draw++) {
        uint32_t o[4];
        uint64_t scratch[4];
        rng_permutation(o, scratch, 4, key, draw, 0, 0);
        count[o[0] | o[1] << 2 | o[2] << 4 | o[3] << 6]++;
    }
    double chi2 = 0.0;
    int orders = 0;
    for (int i = 0; i < 256; i++) {
        orders += count[i] > 0;
        chi2 += count[i] > 0 ? (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0 : 0.0;
    }
    assert_int_equal(orders, 24);
    assert_true(chi2 < 49.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_vectors),
        cmocka_unit_test(lanes_have_the_bits_of_single_draws),
        cmocka_unit_test(exponential_lanes_at_the_ends),
        cmocka_unit_test(keys_are_pinned),
        cmocka_unit_test(purposes_have_different_keys),
        cmocka_unit_test(numbers_stay_in_their_ranges),
        cmocka_unit_test(distributions_at_known_points),
        cmocka_unit_test(samples_follow_their_distributions),
        cmocka_unit_test(permutation_is_the_sorted_order),
        cmocka_unit_test(permutation_is_that_of_qsort),
        cmocka_unit_test(permutation_holds_every_index_once),
        cmocka_unit_test(permutations_are_equally_likely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
