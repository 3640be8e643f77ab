/* Rows are copied as they pass. See trajectory_recorder.h. */
#include "core/eval/trajectory_recorder.h"

#include "core/plant/schema.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const char *const terms[] = {"sr",  "pod",        "latency", "entry",
                                    "tcr", "resilience", "cost",    "reward"};
enum { TERMS = sizeof terms / sizeof *terms };
_Static_assert(offsetof(struct reward_terms, headroom) == TERMS * sizeof(double),
               "a name for each term but headroom");

/* Room for the team with the most choices; rows are as wide as the choices of the team that plays.
 */
enum err trajectory_recorder_init(struct trajectory_recorder *t, struct arena *arena,
                                  const struct env_setup *w, int n_action)
{
    const int horizon = w->cfg.horizon, n_services = w->topology.n_services;
    *t = (struct trajectory_recorder){.n_services = n_services,
                                      .n_columns = state_size(n_services),
                                      .n_action = n_action,
                                      .horizon = horizon};
    arena_init(&t->names);
    t->state = ARENA_NEW(arena, (horizon + 1) * t->n_columns, float);
    t->delta = ARENA_NEW(arena, horizon * t->n_services, int32_t);
    t->action = ARENA_NEW(arena, horizon * t->n_action, int32_t);
    t->reward = ARENA_NEW(arena, horizon * TERMS, double);
    t->change = ARENA_NEW(arena, horizon * n_action * n_services, int32_t);
    t->free_change = ARENA_NEW(arena, horizon * n_action * n_services, int32_t);
    t->roles = ARENA_NEW(arena, n_action, const char *);
    return arena_error(arena);
}

static void keep_state(struct trajectory_recorder *t, int row, const float *state)
{
    memcpy(t->state + (size_t)row * (size_t)t->n_columns, state,
           (size_t)t->n_columns * sizeof *state);
}

static void begin(void *ctx, const float *state)
{
    struct trajectory_recorder *t = ctx;
    t->n_steps = 0;
    t->spec = NULL;
    t->decoded = t->free = false;
    t->slo_attainment = t->upper_bound = NAN;
    keep_state(t, 0, state);
}

/* The roles of agent a joined by '+', as the organisation lists them. */
static const char *roles_of(struct arena *names, const struct rules *r, int a)
{
    const char *all = "";
    if (r->guides == NULL) {
        return all;
    }
    const struct org_agent_cfg *agent = &r->guides->org.cfg->agents[r->guide_of[a]];
    for (int k = 0; k < agent->n_roles; k++) {
        all = arena_printf(names, "%s%s%s", all, k > 0 ? "+" : "", agent->roles[k]);
    }
    return all;
}

/* At the first decision of a team: room for names is what the last episode had. */
static enum err name_roles(struct trajectory_recorder *t, const struct rules *r)
{
    arena_release(&t->names);
    arena_init(&t->names);
    for (int a = 0; a < t->spec->n_agents; a++) {
        t->roles[a] = roles_of(&t->names, r, a);
    }
    return arena_error(&t->names);
}

/* changes (A, n_services) of the choices action (A, F) that were made in the state of `row`, before
 * the plant moved on. */
static void decode(int32_t *changes, const struct trajectory_recorder *t, const struct rules *r,
                   size_t row, const int32_t *action)
{
    const struct team_spec *spec = t->spec;
    const float *state = t->state + row * (size_t)t->n_columns;
    for (int a = 0; a < spec->n_agents; a++) {
        int32_t *own = changes + (row * (size_t)spec->n_agents + (size_t)a) * (size_t)t->n_services;
        rules_changes(own, r, state, action + (ptrdiff_t)a * spec->n_factors);
    }
}

/* The terms are the first members of struct reward_terms, in the order of `terms`; the assertion
 * above notices a new one. Rows of actions have the width of this team, so the array is dense. */
static enum err see(void *ctx, const struct episode_step *step)
{
    struct trajectory_recorder *t = ctx;
    CHECK(step->step == t->n_steps && t->n_steps < t->horizon);
    const size_t row = (size_t)t->n_steps++;
    keep_state(t, t->n_steps, step->state);
    memcpy(t->delta + row * (size_t)t->n_services, step->delta,
           (size_t)t->n_services * sizeof *step->delta);
    memcpy(t->reward + row * TERMS, step->reward, TERMS * sizeof *t->reward);
    t->spec = step->spec;
    if (t->spec != NULL) {
        const int n = env_n_actions(t->spec);
        CHECK(n <= t->n_action);
        memcpy(t->action + row * (size_t)n, step->action, (size_t)n * sizeof *step->action);
    }
    if (t->spec == NULL || step->rules == NULL) {
        return ERR_OK; /* nobody's choices, or of another interface: what they ask for is unknown */
    }
    t->decoded = true;
    decode(t->change, t, step->rules, row, step->action);
    if (step->free_action != NULL) {
        t->free = true;
        decode(t->free_change, t, step->rules, row, step->free_action);
    }
    return row == 0 ? name_roles(t, step->rules) : ERR_OK;
}

static void end(void *ctx, const struct episode_metrics *m)
{
    struct trajectory_recorder *t = ctx;
    t->slo_attainment = m->slo_attainment;
    t->upper_bound = m->upper_bound;
}

void trajectory_recorder_release(struct trajectory_recorder *t)
{
    arena_release(&t->names);
}

struct episode_observer trajectory_recorder_observer(struct trajectory_recorder *t)
{
    return (struct episode_observer){.ctx = t, .begin = begin, .see = see, .end = end};
}

void trajectory_recorder_fill(struct trajectory_episode *out, const struct trajectory_recorder *t)
{
    out->terms = terms;
    out->n_terms = TERMS;
    out->n_steps = t->n_steps;
    out->n_services = t->n_services;
    out->n_columns = t->n_columns;
    out->agents = t->spec != NULL ? t->spec->agent_names : NULL;
    out->n_agents = t->spec != NULL ? t->spec->n_agents : 0;
    out->n_choices = t->spec != NULL ? t->spec->n_factors : 0;
    out->state = t->state;
    out->delta = t->delta;
    out->action = t->action;
    out->reward = t->reward;
    out->roles = t->decoded ? t->roles : NULL;
    out->change = t->decoded ? t->change : NULL;
    out->free_change = t->free ? t->free_change : NULL;
    out->slo_attainment = t->slo_attainment;
    out->upper_bound = t->upper_bound;
}
