/* Guides that run beside the episode, and the metrics of what was done under them. See
 * org_observer.h. */
#include "core/eval/org_observer.h"

#include <math.h>
#include <string.h>

/* Agents of the organisation and of the team are the same if they have the same name. */
static enum err find_agents(struct org_observer *j, struct arena *arena, const struct rules *team)
{
    const struct org_cfg *org = j->rules.guides->org.cfg;
    int *agent_of = ARENA_NEW(arena, org->n_agents, int);
    TRY(arena_error(arena));
    for (int g = 0; g < org->n_agents; g++) {
        agent_of[g] = -1;
        for (int a = 0; team != NULL && a < team->spec.n_agents; a++) {
            if (strcmp(team->spec.agent_names[a], org->agents[g].name) == 0) {
                agent_of[g] = a;
            }
        }
    }
    j->agent_of = agent_of;
    return ERR_OK;
}

enum err org_observer_init(struct org_observer *j, struct arena *arena, const struct rules *team,
                           const struct rules *experiment)
{
    *j = (struct org_observer){.rules = team != NULL ? *team : *experiment};
    if (j->rules.guides == NULL) {
        j->rules.guides = experiment->guides;
    }
    j->on = j->rules.guides != NULL;
    if (!j->on) {
        return ERR_OK;
    }
    j->state = ARENA_NEW(arena, j->rules.n_state, float);
    TRY(arena_error(arena));
    TRY(find_agents(j, arena, team));
    TRY(guides_memory_init(&j->memory, arena, j->rules.guides));
    return org_metrics_init(&j->org_metrics, arena, j->rules.guides);
}

int org_observer_n_agents(const struct org_observer *j)
{
    return j->on ? j->org_metrics.n_agents : 0;
}

const char *org_observer_agent_name(const struct org_observer *j, int agent)
{
    return j->rules.guides->org.cfg->agents[agent].name;
}

/* ---- watching ---- */

/* The state is copied: what is allowed and what a choice comes to are asked for after the plant has
 * moved on. */
static void next_decision(struct org_observer *j, const float *state)
{
    memcpy(j->state, state, (size_t)j->rules.n_state * sizeof *state);
    guides_update(&j->memory, j->rules.guides, state);
}

static void begin(void *ctx, const float *state)
{
    struct org_observer *j = ctx;
    org_metrics_clear(&j->org_metrics);
    guides_clear(&j->memory, j->rules.guides);
    next_decision(j, state);
}

/* As rules_apply() would judge the action, by the guides and the state of the decision under way.
 */
static bool is_compliant(const struct org_observer *j, int guide, const int32_t *action)
{
    const int32_t *own = action + j->agent_of[guide] * j->rules.spec.n_factors;
    return rules_compliant(&j->rules, &j->memory, guide, j->state, own);
}

/* First the decision that has just been played, with the guides as they stood then; then the guides
 * move on to the new state; then the rewards, which compare both. An agent that is not measured
 * counts as compliant, so it pays no penalty. */
static enum err see(void *ctx, const struct episode_step *step)
{
    struct org_observer *j = ctx;
    const struct guides *g = j->rules.guides;
    bool compliant[ORG_LIST_MAX];
    CHECK(j->org_metrics.n_agents <= ORG_LIST_MAX);
    org_metrics_decide(&j->org_metrics, &j->rules, &j->memory, j->state);
    for (int i = 0; i < j->org_metrics.n_agents; i++) {
        const bool acts = step->action != NULL && j->agent_of[i] >= 0;
        compliant[i] = !acts || is_compliant(j, i, step->action);
        if (acts) {
            const bool free = step->free_action == NULL || is_compliant(j, i, step->free_action);
            org_metrics_choice(&j->org_metrics, i, compliant[i], free);
        }
    }
    next_decision(j, step->state);
    for (int i = 0; i < j->org_metrics.n_agents; i++) {
        struct guides_reward reward;
        guides_reward(&reward, &j->memory, g, i, compliant[i]);
        org_metrics_reward(&j->org_metrics, i, &reward);
    }
    j->acts = step->action != NULL;
    j->is_free = step->free_action != NULL;
    return ERR_OK;
}

struct episode_observer org_observer_callbacks(struct org_observer *j)
{
    return (struct episode_observer){.ctx = j, .begin = begin, .see = see};
}

/* Of a rule, or of an agent that the team lacks, no choice is known: what rests on choices is NaN,
 * and what the organisation offered and how the missions fared stays. */
void org_observer_finish(struct org_metric_values *out, const struct org_observer *j)
{
    org_metrics_finish(out, &j->org_metrics);
    for (int i = 0; i < j->org_metrics.n_agents; i++) {
        if (!j->acts || j->agent_of[i] < 0) {
            out[i].compliant = out[i].violation = out[i].penalty = NAN;
        }
        if (!j->acts || j->agent_of[i] < 0 || !j->is_free) {
            out[i].compliant_unmasked = NAN;
        }
    }
}
