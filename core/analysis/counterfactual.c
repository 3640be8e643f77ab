/* The wrapper asks the learner again with a smaller mask, for the decision that is replaced only.
 * See counterfactual.h. */
#include "core/analysis/counterfactual.h"

#include <math.h>
#include <string.h>

/* ---- the learner ---- */

static size_t state_floats(const struct counterfactual *c)
{
    return (size_t)(c->base.spec->n_agents * c->base.spec->n_state);
}

/* Whether choice k of a factor comes to another change than the agent's action does. Without the
 * rules of the game another choice is another choice. The state stands first in the global state.
 */
static bool differs(struct counterfactual *c, const struct learner_view *view,
                    const int32_t *action, int factor, int32_t k)
{
    const struct rules *r = rules_of(c->team.interface);
    const int n = c->base.spec->n_factors;
    if (r == NULL || k == action[factor]) {
        return k != action[factor];
    }
    memcpy(c->asked, action, (size_t)n * sizeof *action);
    c->asked[factor] = k;
    rules_changes(c->change, r, view->global_state, action);
    rules_changes(c->change + r->n_services, r, view->global_state, c->asked);
    return memcmp(c->change, c->change + r->n_services,
                  (size_t)r->n_services * sizeof *c->change) != 0;
}

/* c->mask = the mask without the choices of a factor of the agent that come to what it did; whether
 * any is left. */
static bool forbid(struct counterfactual *c, const struct learner_view *view, const int32_t *action,
                   int factor)
{
    const struct team_spec *spec = c->base.spec;
    const int words = env_mask_words(spec);
    bool left = false;
    memcpy(c->mask, view->mask, (size_t)(env_n_actions(spec) * words) * sizeof *c->mask);
    uint32_t *mask = c->mask + (c->agent * spec->n_factors + factor) * words;
    for (int k = 0; k < spec->n_choices; k++) {
        if (mask_has(mask, k) && differs(c, view, action, factor, k)) {
            left = true;
        } else {
            mask[k / 32] &= ~(1U << (k % 32));
        }
    }
    return left;
}

/* What the learner does, greedily, under c->mask. The recurrent state is that from before the
 * decision, and what becomes of it is dropped. */
static void ask_again(struct counterfactual *c, const struct learner_view *view,
                      const float *memory)
{
    struct learner_view asked = *view;
    asked.mask = c->mask;
    asked.greedy = true;
    if (memory != NULL) {
        memcpy(c->memory_2, memory, state_floats(c) * sizeof *memory);
    }
    c->inner->ops->act(c->inner, c->action, c->logp, memory != NULL ? c->memory_2 : NULL, &asked);
}

/* Each factor that has another choice is tried; the most probable joint choice is taken. */
static void replace(struct counterfactual *c, int32_t *action, const struct learner_view *view,
                    const float *memory)
{
    const struct team_spec *spec = c->base.spec;
    const int at = c->agent * spec->n_factors;
    float best = -INFINITY;
    for (int f = 0; f < spec->n_factors; f++) {
        if (forbid(c, view, action + at, f)) {
            ask_again(c, view, memory);
            if (!c->replaced || c->logp[c->agent] > best) {
                best = c->logp[c->agent];
                c->factor = f;
                c->second = c->action[at + f];
                c->replaced = true;
            }
        }
    }
    if (c->replaced) {
        c->first = action[at + c->factor];
        action[at + c->factor] = c->second;
    }
}

/* A controller may ask twice at one decision, the second time with open masks for what it does not
 * carry out: only the first answer is replaced. */
static void act(struct learner *l, int32_t *action, float *logp, float *memory,
                const struct learner_view *view)
{
    struct counterfactual *c = (struct counterfactual *)l;
    const bool now = c->step >= 0 && view->step == (uint32_t)c->step;
    CHECK(view->n == 1);
    if (now && memory != NULL) {
        memcpy(c->memory, memory, state_floats(c) * sizeof *memory);
    }
    c->inner->ops->act(c->inner, action, logp, memory, view);
    if (now) {
        memcpy(c->seen, view->global_state, (size_t)c->base.spec->n_global_state * sizeof *c->seen);
        memcpy(c->seen_mask, view->mask,
               (size_t)(env_n_actions(c->base.spec) * env_mask_words(c->base.spec)) *
                   sizeof *c->seen_mask);
        replace(c, action, view, memory != NULL ? c->memory : NULL);
        c->step = -1;
    }
}

static const struct learner_ops ops = {.name = "counterfactual", .act = act};

enum err counterfactual_init(struct counterfactual *c, struct arena *arena,
                             const struct trained_team *team)
{
    const struct team_spec *spec = team->interface->spec;
    const size_t n = (size_t)env_n_actions(spec);
    *c = (struct counterfactual){
        .base = *team->learner,
        .team = {.interface = team->interface, .learner = &c->base},
        .inner = team->learner,
        .step = -1,
        .mask = ARENA_NEW(arena, n * (size_t)env_mask_words(spec), uint32_t),
        .action = ARENA_NEW(arena, n, int32_t),
        .seen = ARENA_NEW(arena, spec->n_global_state, float),
        .seen_mask = ARENA_NEW(arena, n * (size_t)env_mask_words(spec), uint32_t),
        .logp = ARENA_NEW(arena, spec->n_agents, float),
        .asked = ARENA_NEW(arena, spec->n_factors, int32_t)};
    const struct rules *r = rules_of(team->interface);
    c->change = ARENA_NEW(arena, r != NULL ? 2 * r->n_services : 0, int32_t);
    c->base.ops = &ops;
    c->base.spec = spec;
    if (spec->n_state > 0) {
        c->memory = ARENA_NEW(arena, state_floats(c), float);
        c->memory_2 = ARENA_NEW(arena, state_floats(c), float);
    }
    return arena_error(arena);
}

void counterfactual_replace(struct counterfactual *c, int agent, int step)
{
    c->agent = agent;
    c->step = step;
    c->replaced = false;
}

/* ---- plays ---- */

enum err counterfactual_play_init(struct counterfactual_play *p, struct arena *arena,
                                  struct episode *episode, struct controller *controller,
                                  struct counterfactual *c)
{
    const struct team_spec *spec = c->base.spec;
    const size_t n = (size_t)env_n_actions(spec);
    const int horizon = episode->env_setup->cfg.horizon;
    *p = (struct counterfactual_play){.episode = episode,
                                      .controller = controller,
                                      .c = c,
                                      .n_agents = spec->n_agents,
                                      .n_factors = spec->n_factors,
                                      .n_steps = horizon,
                                      .action = ARENA_NEW(arena, (size_t)horizon * n, int32_t),
                                      .again = ARENA_NEW(arena, EFFECT_STEPS * n, int32_t)};
    return arena_error(arena);
}

static size_t joint_bytes(const struct counterfactual_play *p)
{
    return (size_t)(p->n_agents * p->n_factors) * sizeof(int32_t);
}

static enum err keep_all(void *ctx, const struct episode_step *step)
{
    struct counterfactual_play *p = ctx;
    memcpy(p->action + (ptrdiff_t)step->step * p->n_agents * p->n_factors, step->action,
           joint_bytes(p));
    return ERR_OK;
}

/* ERR_STOPPED ends the play behind the last decision that counts. */
static enum err keep_again(void *ctx, const struct episode_step *step)
{
    struct counterfactual_play *p = ctx;
    if (step->step >= p->first_kept) {
        memcpy(p->again + (ptrdiff_t)(step->step - p->first_kept) * p->n_agents * p->n_factors,
               step->action, joint_bytes(p));
    }
    return step->step + 1 == p->stop_at ? ERR_STOPPED : ERR_OK;
}

enum err counterfactual_play_first(struct counterfactual_play *p, int scenario,
                                   const struct episode_id *id)
{
    const struct episode_observer observer = {.ctx = p, .see = keep_all};
    struct episode_metrics m;
    p->scenario = scenario;
    p->id = *id;
    counterfactual_replace(p->c, 0, -1);
    return episode_run(p->episode, &m, p->controller, scenario, id, &observer);
}

/* The share of decisions at which one of the agent's factors differs. */
static double share_changed(const struct counterfactual_play *p, int agent, int n)
{
    int changed = 0;
    for (int t = 0; t < n; t++) {
        const ptrdiff_t at = (ptrdiff_t)t * p->n_agents + agent;
        const ptrdiff_t was = at + (ptrdiff_t)p->first_kept * p->n_agents;
        changed += memcmp(p->again + at * p->n_factors, p->action + was * p->n_factors,
                          (size_t)p->n_factors * sizeof *p->again) != 0;
    }
    return (double)changed / n;
}

enum err counterfactual_effect(double *effect, struct counterfactual_play *p, int agent, int step)
{
    const struct episode_observer observer = {.ctx = p, .see = keep_again};
    const int left = p->n_steps - 1 - step, n = left < EFFECT_STEPS ? left : EFFECT_STEPS;
    struct episode_metrics m;
    for (int j = 0; j < p->n_agents; j++) {
        effect[j] = NAN;
    }
    if (n <= 0) {
        return ERR_OK;
    }
    p->first_kept = step + 1;
    p->stop_at = step + 1 + n;
    counterfactual_replace(p->c, agent, step);
    const enum err e = episode_run(p->episode, &m, p->controller, p->scenario, &p->id, &observer);
    CHECK(e != ERR_OK); /* stop_at is at most the horizon */
    if (e != ERR_STOPPED) {
        return e;
    }
    for (int j = 0; j < p->n_agents && p->c->replaced; j++) {
        effect[j] = share_changed(p, j, n);
    }
    return ERR_OK;
}
