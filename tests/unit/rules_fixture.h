/* The rules of a game of four services, in all its variants, on states and actions set by hand or
 * drawn. */
#ifndef KARMA_TESTS_RULES_FIXTURE_H
#define KARMA_TESTS_RULES_FIXTURE_H

#include "tests/unit/game_fixture.h"

enum {
    SERVICES = 4,
    AGENTS_MAX = 6,
    FACTORS_MAX = SERVICES,
    STATE_MAX = 256,
    MASK_MAX = 64,
    CASES = 1500
};

/* Bounds of all sorts: a is free, b has a floor, c is narrow, d has one choice only. alpha 3. */
#define SERVICE_TEXT                                                                               \
    "topology: {node_cpu_m: 1e6, services: [\n"                                                    \
    "  {name: a, max_replicas: 10, initial_replicas: 4, entry: true, calls: [b, c, d]},\n"         \
    "  {name: b, min_replicas: 2, max_replicas: 9, initial_replicas: 3},\n"                        \
    "  {name: c, min_replicas: 4, max_replicas: 5, initial_replicas: 4},\n"                        \
    "  {name: d, min_replicas: 3, max_replicas: 3, initial_replicas: 3}]}\n"
static const int LEAST[SERVICES] = {1, 2, 4, 3}, MOST[SERVICES] = {10, 9, 5, 3};
enum { ALPHA = 3 };

struct variant {
    const char *text;
    enum action_head head;
    bool all;
    int n_agents;
};
#define VARIANT_(head, operations, agents)                                                         \
    SERVICE_TEXT "game: {action: {head: " #head ", operations: " #operations "}, agents: " agents  \
                 "}\n"
static const struct variant VARIANTS[] = {
    {VARIANT_(level, one, "[p, q, r, s]"), HEAD_LEVEL, false, 4},
    {VARIANT_(delta, one, "[p, q, r, s]"), HEAD_DELTA, false, 4},
    {VARIANT_(level, all, "[p]"), HEAD_LEVEL, true, 1},
    {VARIANT_(delta, all, "[p]"), HEAD_DELTA, true, 1},
    {VARIANT_(level, one, "[p]"), HEAD_LEVEL, false, 1},
    {VARIANT_(delta, one, "[p, q]"), HEAD_DELTA, false, 2},
    {VARIANT_(level, one, "[p, q, r, s, t, u]"), HEAD_LEVEL, false, 6},
    {VARIANT_(delta, one, "[p, q, r, s, t, u]"), HEAD_DELTA, false, 6},
    {VARIANT_(level, all, "[p, q, r]"), HEAD_LEVEL, true, 3},
    {VARIANT_(delta, all, "[p, q, r, s, t, u]"), HEAD_DELTA, true, 6},
};
enum { N_VARIANTS = sizeof VARIANTS / sizeof *VARIANTS };

struct fixture {
    struct game_fixture w;
    const struct rules *r;
    struct rules_memory memory;
    float state[STATE_MAX];
    float global_state[STATE_MAX];
    uint32_t mask[MASK_MAX];
    int32_t action[AGENTS_MAX * FACTORS_MAX];
    int32_t delta[SERVICES];
    bool conflict;
};

static inline void start(struct fixture *f, const char *text)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, text);
    f->r = &f->w.rules;
    assert_true(f->r->spec.n_global_state <= STATE_MAX);
    assert_int_equal(rules_memory_init(&f->memory, &f->w.arena, f->r), ERR_OK);
}

static inline void stop(struct fixture *f)
{
    game_fixture_close(&f->w);
}

static inline void set_desired(struct fixture *f, int a, int b, int c, int d)
{
    const int desired[SERVICES] = {a, b, c, d};
    for (int s = 0; s < SERVICES; s++) {
        game_fixture_set(&f->w, f->state, s, SF_DESIRED, desired[s]);
    }
}

static inline int desired_of(const struct fixture *f, int s)
{
    return (int)f->state[state_service_at(s, SF_DESIRED)];
}

static inline void look(struct fixture *f)
{
    rules_global_state(f->global_state, f->mask, f->r, &f->memory, f->state);
}

static inline const uint32_t *mask_of(const struct fixture *f, int agent, int factor)
{
    const struct team_spec *spec = &f->r->spec;
    return f->mask + (agent * spec->n_factors + factor) * env_mask_words(spec);
}

static inline void act(struct fixture *f)
{
    rules_apply(f->delta, &f->conflict, &f->memory, f->r, f->state, f->action);
}

static inline uint32_t word(uint32_t v, uint32_t i, uint32_t k)
{
    return rng_philox(rng_key(5, RNG_TEST, RNG_TEST_SPLIT), k, i, v, 0).v[0];
}

static inline void draw_state(struct fixture *f, uint32_t v, uint32_t i)
{
    for (int k = 0; k < f->r->n_state; k++) {
        f->state[k] = 100.0F * rng_f32(word(v, i, 100 + (uint32_t)k));
    }
    for (int s = 0; s < SERVICES; s++) {
        const uint32_t n = (uint32_t)(MOST[s] - LEAST[s] + 1);
        game_fixture_set(&f->w, f->state, s, SF_DESIRED,
                         LEAST[s] + (int)rng_below(word(v, i, (uint32_t)s), n));
    }
}

static inline int32_t nth_allowed(const uint32_t *mask, int n_choices, uint32_t v)
{
    int n = 0;
    for (int k = 0; k < n_choices; k++) {
        n += mask_has(mask, k);
    }
    assert_true(n > 0);
    int skip = (int)rng_below(v, (uint32_t)n);
    int32_t k = 0;
    while (!mask_has(mask, k) || skip-- > 0) {
        k++;
    }
    return k;
}

/* A uniform choice inside the masks for every agent and factor. */
static inline void draw_action(struct fixture *f, uint32_t v, uint32_t i)
{
    const struct team_spec *spec = &f->r->spec;
    for (int a = 0; a < spec->n_agents; a++) {
        for (int k = 0; k < spec->n_factors; k++) {
            const int at = a * spec->n_factors + k;
            f->action[at] =
                nth_allowed(mask_of(f, a, k), spec->n_choices, word(v, i, 1000 + (uint32_t)at));
        }
    }
}

#endif
