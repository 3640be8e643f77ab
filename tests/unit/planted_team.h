/* Scripted teams whose roles are known, as a set of trajectories, and the search for these roles.
 *
 * Four services; a load that is calm, then flooded from a random decision on for a random time. A
 * role acts with a probability that depends on the phase of the load, on services of its own.
 */
#ifndef KARMA_TESTS_PLANTED_TEAM_H
#define KARMA_TESTS_PLANTED_TEAM_H

#include "core/analysis/roles.h"
#include "core/base/rng.h"
#include "core/plant/schema.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PLANTED_SERVICES = 4, PLANTED_AGENTS = 4, PLANTED_ROLES = 5 };

enum planted_kind {
    PLANTED_FOUR,      /* each agent has its own role */
    PLANTED_SHARED,    /* agents 1 and 2 share one */
    PLANTED_OVERLAP,   /* four roles; 30 % of the actions are those of the next role */
    PLANTED_EQUAL,     /* all agents do the same at each decision */
    PLANTED_IDENTICAL, /* all agents have one role, and draw by themselves */
    PLANTED_RANDOM,    /* any change of any service, whatever the load */
    PLANTED_KINDS
};

struct planted_cfg {
    enum planted_kind kind;
    uint64_t seed;
    int n_episodes, n_steps;
};

static inline double planted_draw(const struct planted_cfg *c, uint32_t a, uint32_t b, uint32_t e)
{
    const struct rng_block r =
        rng_philox(rng_key(c->seed, RNG_TEST, RNG_DEV), a, b, e, (uint32_t)c->kind);
    return rng_f64(r.v[0], r.v[1]);
}

/* A change of the kind that role `does` makes, as often as role `role` acts: service and size from
 * u, v in [0, 1). */
static inline void planted_act(int32_t *change, int role, int does, bool flood, double u, double v)
{
    static const double calm[PLANTED_ROLES] = {0.05, 0.5, 0.15, 0.4, 0.3};
    static const double busy[PLANTED_ROLES] = {0.7, 0.1, 0.6, 0.4, 0.3};
    const double p = flood ? busy[role] : calm[role];
    if (u >= p) {
        return;
    }
    const double w = u / p; /* uniform again */
    switch (does) {
    case 0:
        change[w < 0.5 ? 0 : 1] = flood ? 3 : 1;
        break; /* enlarges the entries in a flood */
    case 1:
        change[w < 0.5 ? 1 : 2] = -2;
        break; /* shrinks in calm */
    case 2:
        change[2] = v < 0.5 ? 2 : 3;
        break; /* follows one service */
    case 3:
        change[3] = v < 0.5 ? -1 : 1;
        break; /* tends another one */
    default:
        change[(int)(4.0 * w)] = (int)(6.0 * v) < 3 ? (int)(6.0 * v) - 3 : (int)(6.0 * v) - 2;
    }
}

static inline int planted_role(enum planted_kind kind, int agent)
{
    switch (kind) {
    case PLANTED_SHARED:
        return agent == 2 ? 1 : agent;
    case PLANTED_EQUAL:
    case PLANTED_IDENTICAL:
        return 0;
    case PLANTED_RANDOM:
        return 4;
    default:
        return agent;
    }
}

static inline void planted_fill(struct analysed_episode *x, int32_t *change, float *state,
                                const struct planted_cfg *c, int e, int n_columns)
{
    const int start = (int)(planted_draw(c, 0, 0, (uint32_t)e) * c->n_steps * 0.5);
    const int end = start + 8 + (int)(planted_draw(c, 0, 1, (uint32_t)e) * c->n_steps * 0.3);
    for (int t = 0; t < c->n_steps; t++) {
        const bool flood = t >= start && t < end;
        for (int i = 0; i < n_columns; i++) {
            const double noise = planted_draw(c, (uint32_t)(100 + i), (uint32_t)t, (uint32_t)e);
            state[t * n_columns + i] = (float)floor(100.0 * noise);
        }
        for (int s = 0; s < PLANTED_SERVICES; s++) {
            state[t * n_columns + state_service_at(s, SF_ID)] = (float)s;
            state[t * n_columns + state_service_at(s, SF_UTIL_10S)] = flood ? 0.9F : 0.3F;
        }
        for (int a = 0; a < PLANTED_AGENTS; a++) {
            int32_t *own = change + (t * PLANTED_AGENTS + a) * PLANTED_SERVICES;
            const uint32_t who = c->kind == PLANTED_EQUAL ? 1 : (uint32_t)(1 + a);
            const int role = planted_role(c->kind, a);
            int does = role;
            if (c->kind == PLANTED_OVERLAP &&
                planted_draw(c, 10 + who, (uint32_t)t, (uint32_t)e) < 0.3) {
                does = (role + 1) % 4;
            }
            planted_act(own, role, does, flood, planted_draw(c, 20 + who, (uint32_t)t, (uint32_t)e),
                        planted_draw(c, 30 + who, (uint32_t)t, (uint32_t)e));
        }
    }
    x->change = change;
    x->state = state;
    x->n_steps = c->n_steps;
}

static inline const char *const *planted_columns(struct arena *arena)
{
    static const char *const services[PLANTED_SERVICES] = {"a", "b", "c", "d"};
    const char **names = ARENA_NEW(arena, state_size(PLANTED_SERVICES), const char *);
    assert_non_null(names);
    for (int s = 0; s < PLANTED_SERVICES; s++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            names[state_service_at(s, (enum service_feature)f)] =
                arena_printf(arena, "%s.%s", services[s], service_feature_info[f].name);
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        names[state_global_at(PLANTED_SERVICES, (enum global_feature)f)] =
            global_feature_info[f].name;
    }
    return names;
}

static inline void planted_team(struct trajectory_set *set, struct arena *arena,
                                const struct planted_cfg *c)
{
    static const char *const services[PLANTED_SERVICES] = {"a", "b", "c", "d"};
    static const char *const agents[PLANTED_AGENTS] = {"w", "x", "y", "z"};
    static const char *const roles[] = {"r0", "r1", "r2", "r3", "r4"};
    static const char *const runs[] = {"planted"}, *const terms[] = {"reward"};
    const char **assigned = ARENA_NEW(arena, PLANTED_AGENTS, const char *);
    *set = (struct trajectory_set){.controller = "planted",
                                   .runs = runs,
                                   .services = services,
                                   .columns = planted_columns(arena),
                                   .agents = agents,
                                   .roles = assigned,
                                   .terms = terms,
                                   .period_s = 15,
                                   .n_runs = 1,
                                   .n_services = PLANTED_SERVICES,
                                   .n_columns = state_size(PLANTED_SERVICES),
                                   .n_agents = PLANTED_AGENTS,
                                   .n_terms = 1,
                                   .n_choices = 1,
                                   .organised = true,
                                   .n_episodes = c->n_episodes};
    set->episodes = ARENA_NEW(arena, c->n_episodes, struct analysed_episode);
    assert_int_equal(arena_error(arena), ERR_OK);
    for (int a = 0; a < PLANTED_AGENTS; a++) {
        assigned[a] = roles[planted_role(c->kind, a)];
    }
    for (int e = 0; e < c->n_episodes; e++) {
        struct analysed_episode *x = &set->episodes[e];
        int32_t *change = ARENA_NEW(arena, c->n_steps * PLANTED_AGENTS * PLANTED_SERVICES, int32_t);
        float *state = ARENA_NEW(arena, (c->n_steps + 1) * set->n_columns, float);
        double *reward = ARENA_NEW(arena, c->n_steps, double);
        assert_int_equal(arena_error(arena), ERR_OK);
        *x = (struct analysed_episode){
            .scenario = "flood", .split = "dev", .episode = (uint32_t)e, .reward = reward};
        x->policy = x->train_seed = (uint64_t)(1 + e % 2); /* two trainings */
        planted_fill(x, change, state, c, e, set->n_columns);
    }
}

/* The whole search, without ranks. */
static inline void planted_search(struct roles *r, struct arena *arena,
                                  const struct trajectory_set *set, const struct role_cfg *cfg,
                                  struct role_spared *spared)
{
    struct arena scratch;
    arena_init(&scratch);
    const size_t width = (size_t)cfg->k_max + 1;
    struct sequences *q = ARENA_NEW(arena, 1, struct sequences);
    struct role_sample *sample = ARENA_NEW(arena, 1, struct role_sample);
    double observed[ROLE_CLUSTERS_MAX + 1];
    double *agents = ARENA_NEW(arena, (size_t)cfg->shuffles * width, double);
    double *time = ARENA_NEW(arena, (size_t)cfg->shuffles * width, double);
    assert_int_equal(sequences_init(q, arena, set, &cfg->steps), ERR_OK);
    assert_int_equal(role_sample_init(sample, arena, q, cfg), ERR_OK);
    double *d = ARENA_NEW(arena, pair_count(sample->n > 1 ? sample->n : 2), double);
    double *row = ARENA_NEW(arena, distance_scratch(q), double);
    assert_int_equal(arena_error(arena), ERR_OK);
    for (int i = 0; i < sample->n; i++) {
        for (int j = i + 1; j < sample->n; j++) {
            d[pair_index(sample->n, i, j)] = distance_of_pair(
                q, &cfg->distance, sample->distinct[i], sample->distinct[j], INFINITY, row);
        }
    }
    assert_int_equal(role_null_silhouettes(observed, set, cfg, ROLE_OBSERVED, 0, &scratch), ERR_OK);
    for (int i = 0; i < cfg->shuffles; i++) {
        assert_int_equal(role_null_silhouettes(agents + (size_t)i * width, set, cfg,
                                               ROLE_NULL_AGENTS, i, &scratch),
                         ERR_OK);
        assert_int_equal(
            role_null_silhouettes(time + (size_t)i * width, set, cfg, ROLE_NULL_TIME, i, &scratch),
            ERR_OK);
    }
    assert_int_equal(roles_init(r, arena, set, q, cfg, sample, d, observed, agents, time,
                                cfg->shuffles, &scratch),
                     ERR_OK);
    const ptrdiff_t cells = (ptrdiff_t)q->longest * q->n_dims;
    float *lo = ARENA_NEW(arena, (ptrdiff_t)r->branches * cells, float);
    float *hi = ARENA_NEW(arena, (ptrdiff_t)r->branches * cells, float);
    assert_int_equal(arena_error(arena), ERR_OK);
    for (int c = 0; c < r->branches; c++) {
        dtw_envelope(lo + c * cells, hi + c * cells, q, &cfg->distance, r->medoid[c], q->longest);
    }
    for (int i = 0; i < q->n; i++) {
        if (r->label[i] < 0) {
            r->label[i] = r->role_of[roles_nearest(spared, q, cfg, r->medoid, r->branches, lo, hi,
                                                   q->distinct[i], row)];
        }
    }
    assert_int_equal(roles_finish(r, &scratch), ERR_OK);
    arena_release(&scratch);
}

#endif
