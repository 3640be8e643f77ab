/* Random numbers: a pure function of (run seed, domain, split, environment, episode, step, draw).
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), tested
 * against the published vectors. There is no generator object and no state: whoever knows the
 * coordinates knows the number, so results cannot depend on ranks, threads or order.
 *
 * Coordinates of a draw:
 *   key      = f(run seed, domain, split): one 64-bit key for each purpose
 *   counter  = (a, b, c, d), by convention (draw, step or request, episode, environment gid)
 */
#ifndef KARMA_BASE_RNG_H
#define KARMA_BASE_RNG_H

#include <stdint.h>

/* What a number is for. Append only: the position is part of every digest. */
enum rng_domain {
    RNG_PARAM_INIT = 1, /* network initialisation */
    RNG_ACTION,         /* action sampling */
    RNG_MINIBATCH,      /* which environments form a minibatch of an epoch */
    RNG_SCENARIO,       /* onsets, magnitudes, kinds of events */
    RNG_WORKLOAD,       /* noise and bursts of the offered load */
    RNG_ARRIVAL_LEGIT,  /* inter-arrival times */
    RNG_ARRIVAL_ATTACK,
    RNG_SERVICE,  /* service demand and pod choice of a call */
    RNG_POD,      /* start-up delay, crashes */
    RNG_HARDNESS, /* does a role bind its agent at this decision? */
    RNG_CLONE,    /* behaviour of the demonstrator: random actions mixed in */
    RNG_TWIN,     /* successor and noise */
    RNG_BOOTSTRAP,
    RNG_TEST,
    RNG_ROUTE,    /* which callee a split call takes */
    RNG_CLIENT,   /* think times, jitter of retries */
    RNG_TOPOLOGY, /* generated topologies */
    RNG_FAULT,    /* calls lost between services, failed scrapes */
    RNG_EXPLORE,  /* changes that the controller explore mixes in */
    RNG_SCRIPTED, /* choices of a scripted team */
    RNG_LIVENESS, /* liveness probes that busy pods fail */
    RNG_COST,     /* cost weight of an episode */
    RNG_SCALE,    /* stragglers and preemptions of the model of a farm */
    RNG_TUNE,     /* values of the trials of a tuning */
    RNG_PLAN,     /* plans that a planner tries */
    RNG_MEMBER,   /* which member of a population plays an episode */
    RNG_ANALYSIS, /* shuffles and samples of an analysis */
    RNG_BACKOFF   /* jitter of the waits between two tries of a request */
};

/* TRAIN, DEV and TEST never share a number, whatever the seed. */
enum rng_split { RNG_TRAIN, RNG_DEV, RNG_TEST_SPLIT };

struct rng_key {
    uint32_t k[2];
};
struct rng_block {
    uint32_t v[4];
};

/* The raw block cipher, about 5 ns (13 in a chain); inline because the simulator draws several for
 * each request. */
static inline struct rng_block rng_philox(struct rng_key key, uint32_t a, uint32_t b, uint32_t c,
                                          uint32_t d)
{
    uint32_t k0 = key.k[0], k1 = key.k[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * a;
        uint64_t p1 = (uint64_t)0xcd9e8d57u * c;
        a = (uint32_t)(p1 >> 32) ^ b ^ k0;
        b = (uint32_t)p1;
        c = (uint32_t)(p0 >> 32) ^ d ^ k1;
        d = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return (struct rng_block){{a, b, c, d}};
}

struct rng_key rng_key(uint64_t seed, enum rng_domain domain, enum rng_split split);

/* [0, 1), 24 bits. */
static inline float rng_f32(uint32_t v)
{
    return (float)(v >> 8) * 0x1p-24f;
}
/* (0, 1], 32 bits: safe under a logarithm. */
static inline double rng_open_f64(uint32_t v)
{
    return ((double)v + 1.0) * 0x1p-32;
}
/* [0, 1), 53 bits. */
static inline double rng_f64(uint32_t hi, uint32_t lo)
{
    return (double)((((uint64_t)hi << 32) | lo) >> 11) * 0x1p-53;
}
/* 0 .. n-1 by multiplication; bias below n / 2^32. */
static inline uint32_t rng_below(uint32_t v, uint32_t n)
{
    return (uint32_t)(((uint64_t)v * n) >> 32);
}
/* Standard exponential and standard normal (Box-Muller from two words), with our own log. */
double rng_exponential(uint32_t v);
double rng_normal(uint32_t v0, uint32_t v1);

/* RNG_LANES draws at a time, in vector instructions: the same bits as the functions above give, for
 * about a third of their time.
 *
 *   out[w][i] = rng_philox(key, a[i], b[i], c, d).v[w],  w < 4      out[i] = rng_exponential(v[i])
 *
 * The arrays do not overlap. */
enum { RNG_LANES = 8 };
void rng_philox_lanes(uint32_t out[4][RNG_LANES], struct rng_key key, const uint32_t a[RNG_LANES],
                      const uint32_t b[RNG_LANES], uint32_t c, uint32_t d);
void rng_exponential_lanes(double out[RNG_LANES], const uint32_t v[RNG_LANES]);

/* A permutation of 0..n-1 into out: sort by (Philox value of i, i). scratch: n uint64_t. */
void rng_permutation(uint32_t *out, uint64_t *scratch, uint32_t n, struct rng_key key, uint32_t b,
                     uint32_t c, uint32_t d);

#endif
