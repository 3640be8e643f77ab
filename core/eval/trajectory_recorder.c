/* Rows are copied as they pass. See trajectory_recorder.h. */
#include "core/eval/trajectory_recorder.h"

#include "core/plant/schema.h"

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
    t->state = ARENA_NEW(arena, (horizon + 1) * t->n_columns, float);
    t->delta = ARENA_NEW(arena, horizon * t->n_services, int32_t);
    t->action = ARENA_NEW(arena, horizon * t->n_action, int32_t);
    t->reward = ARENA_NEW(arena, horizon * TERMS, double);
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
    keep_state(t, 0, state);
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
    return ERR_OK;
}

struct episode_observer trajectory_recorder_observer(struct trajectory_recorder *t)
{
    return (struct episode_observer){.ctx = t, .begin = begin, .see = see};
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
}
