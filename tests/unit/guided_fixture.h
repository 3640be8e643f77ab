/* A game under an organisation: its text, random states, and what one decision makes of them. */
#ifndef KARMA_TESTS_GUIDED_FIXTURE_H
#define KARMA_TESTS_GUIDED_FIXTURE_H

#include "tests/unit/game_fixture.h"

#include <math.h>

enum { S = 4, AGENTS = 4, CHOICES_MAX = 64, WORDS_MAX = 64, GLOBAL_STATE_MAX = 1024 };

#define KARMA "include: [configs/organisations/karma.yaml]\n"
static const char BASE[] = "workload: {mean_rps: 30}\n"
                           "scenarios:\n"
                           "  - {name: ddos, events: [{kind: ddos, quiet_s: {lo: 10, hi: 20},\n"
                           "     ramp_s: {lo: 0, hi: 5}, duration_s: {lo: 60, hi: 90},\n"
                           "     magnitude: {lo: 3, hi: 4}}]}\n";

struct fixture {
    struct game_fixture w;
    struct rules_memory memory;
    float state[GLOBAL_STATE_MAX], global_state[GLOBAL_STATE_MAX];
    uint32_t mask[WORDS_MAX], open[WORDS_MAX];
    int32_t action[AGENTS * S];
};

static inline char *text_of(struct fixture *f, const char *head, const char *more)
{
    static char text[4096];
    (void)f;
    (void)snprintf(text, sizeof text, "%s%s%s", head, BASE, more);
    return text;
}

static inline void open_world(struct fixture *f, const char *head, const char *more)
{
    memset(f, 0, sizeof *f);
    game_fixture_open(&f->w, text_of(f, head, more));
    assert_int_equal(rules_memory_init(&f->memory, &f->w.arena, &f->w.rules), ERR_OK);
    assert_true(f->w.rules.spec.n_global_state <= GLOBAL_STATE_MAX && f->w.rules.n_services == S);
}

static inline void begin(struct fixture *f, uint32_t env, uint32_t episode)
{
    const struct episode_id id = {5, RNG_DEV, env, episode};
    rules_begin(&f->memory, &f->w.rules, &id);
}

static inline double uniform(uint32_t a, uint32_t b, uint32_t c)
{
    return (double)rng_f32(rng_philox(rng_key(3, RNG_TEST, RNG_DEV), a, b, c, 0).v[0]);
}

/* A state in which everything may be the case: quiet, flooded, congested, failed, full. */
static inline void draw_state(struct fixture *f, uint32_t episode, uint32_t step)
{
    const struct game_fixture *w = &f->w;
    uint32_t k = 0;
#define DRAW(lo, hi) ((lo) + ((hi) - (lo)) * uniform(k++, step, episode))
    for (int s = 0; s < S; s++) {
        const double desired = floor(DRAW(1, 10.999));
        const double failed = DRAW(0, 1) < 0.8 ? 0.0 : floor(DRAW(0, desired));
        game_fixture_set(w, f->state, s, SF_DESIRED, desired);
        game_fixture_set(w, f->state, s, SF_DEPLOYED, desired);
        game_fixture_set(w, f->state, s, SF_READY, desired - failed);
        game_fixture_set(w, f->state, s, SF_FAILED_PODS, failed);
        game_fixture_set(w, f->state, s, SF_QUEUE, DRAW(0, 1) < 0.5 ? 0.0 : DRAW(0, 100));
        game_fixture_set(w, f->state, s, SF_UTIL_10S, DRAW(0, 1));
        game_fixture_set(w, f->state, s, SF_RECEIVED, DRAW(20, 60));
        game_fixture_set(w, f->state, s, SF_CPU, DRAW(0, 4000));
        game_fixture_set(w, f->state, s, SF_RAM, DRAW(0, 1000));
    }
    const double most = DRAW(0, 1) < 0.3 ? 100 : 28;
    game_fixture_set_global(w, f->state, GF_ENTRY_10S, DRAW(25, most));
    game_fixture_set_global(w, f->state, GF_ENTRY_30S, DRAW(25, 28));
    game_fixture_set_global(w, f->state, GF_ANSWERED, DRAW(0.5, 1));
    game_fixture_set_global(w, f->state, GF_RESPONSE, DRAW(10, 400));
#undef DRAW
}

static inline void observe(struct fixture *f)
{
    rules_observe(&f->memory, &f->w.rules, f->state);
    rules_global_state(f->global_state, f->mask, &f->w.rules, &f->memory, f->state);
    rules_open_mask(f->open, &f->w.rules, f->state);
}

#endif
