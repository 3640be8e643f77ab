/* Keys, distributions and permutations from Philox blocks. */
#include "core/base/rng.h"

#include "core/base/fmath.h"

#include <math.h>

/* The key of a purpose is itself a Philox block: two seeds, domains or splits that differ in one
 * bit have unrelated keys. The constant keeps these blocks apart from blocks that are drawn. */
struct rng_key rng_key(uint64_t seed, enum rng_domain domain, enum rng_split split)
{
    struct rng_key whole = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    struct rng_block b =
        rng_philox(whole, (uint32_t)domain, (uint32_t)split, 0x4b41524du, 0x412d4d50u);
    return (struct rng_key){{b.v[0], b.v[1]}};
}

/* Inversion: if U is uniform on (0, 1], -log U is exponential with mean 1. U >= 2^-32, so a draw is
 * at most 32 log 2 = 22.2. */
double rng_exponential(uint32_t v)
{
    return -fm_log(rng_open_f64(v));
}

/* G. E. P. Box and M. E. Muller, "A note on the generation of random normal deviates", 1958. The
 * square of the radius is twice an exponential, the angle is uniform; one of the two coordinates is
 * used. A draw stays within sqrt(64 log 2) < 6.67. */
double rng_normal(uint32_t v0, uint32_t v1)
{
    return sqrt(-2.0 * fm_log(rng_open_f64(v0))) * fm_cos_turn(v1);
}

/* Lets x[i] sink until the heap below it, x[0 .. n), has its largest word on top. The heaps below
 * its two children must be in order. The larger child moves up, so it is above its brother; the
 * sinking word stops where no child is larger. i at least doubles in each round. */
static void sift(uint64_t *x, uint32_t i, uint32_t n)
{
    const uint64_t sinking = x[i];
    for (uint32_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && x[child + 1] > x[child]) {
            child++;
        }
        if (x[child] <= sinking) {
            break;
        }
        x[i] = x[child];
    }
    x[i] = sinking;
}

/* Heapsort: in place, where qsort of the C library may allocate. */
static void sort_words(uint64_t *x, uint32_t n)
{
    /* From the last word that has a child upwards, so the heaps below a word are in order when it
     * sinks. Then x[0] is the largest of x[0 .. n) and goes behind it; x[n ..] is sorted and above
     * all others. */
    for (uint32_t i = n / 2; i > 0; i--) {
        sift(x, i - 1, n);
    }
    while (n > 1) {
        n--;
        const uint64_t largest = x[0];
        x[0] = x[n];
        x[n] = largest;
        sift(x, 0, n);
    }
}

/* A uniform permutation: indices are sorted by independent random words. The word stands above the
 * index, so all keys differ and every sort gives one order. Equal words are ordered by index, which
 * biases the permutation with a probability of about n^2 / 2^33. */
void rng_permutation(uint32_t *out, uint64_t *scratch, uint32_t n, struct rng_key key, uint32_t b,
                     uint32_t c, uint32_t d)
{
    struct rng_block block = {{0}};
    for (uint32_t i = 0; i < n; i++) {
        if (i % 4 == 0) {
            block = rng_philox(key, i / 4, b, c, d);
        }
        scratch[i] = (uint64_t)block.v[i % 4] << 32 | i;
    }
    sort_words(scratch, n);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (uint32_t)scratch[i];
    }
}
