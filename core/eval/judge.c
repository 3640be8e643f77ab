/* Guides that run beside the episode, and the account of what was done under them. See judge.h. */
#include "core/eval/judge.h"

#include <math.h>
#include <string.h>

static enum err find_agents(struct judge *j, struct arena *arena, const struct rules *team)
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

enum err judge_init(struct judge *j, struct arena *arena, const struct rules *team,
                    const struct rules *experiment)
{
    *j = (struct judge){.rules = team != NULL ? *team : *experiment};
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
    return conduct_init(&j->conduct, arena, j->rules.guides);
}

int judge_n_agents(const struct judge *j)
{
    return j->on ? j->conduct.n_agents : 0;
}

const char *judge_agent_name(const struct judge *j, int agent)
{
    return j->rules.guides->org.cfg->agents[agent].name;
}

/* ---- watching ---- */

static void next_decision(struct judge *j, const float *state)
{
    memcpy(j->state, state, (size_t)j->rules.n_state * sizeof *state);
    guides_update(&j->memory, j->rules.guides, state);
}

static void begin(void *ctx, const float *state)
{
    struct judge *j = ctx;
    conduct_clear(&j->conduct);
    guides_clear(&j->memory, j->rules.guides);
    next_decision(j, state);
}

static bool keeps_inside(const struct judge *j, int guide, const int32_t *action)
{
    const int32_t *own = action + j->agent_of[guide] * j->rules.spec.n_factors;
    return rules_inside(&j->rules, &j->memory, guide, j->state, own);
}

static enum err see(void *ctx, const struct episode_step *step)
{
    struct judge *j = ctx;
    const struct guides *g = j->rules.guides;
    bool inside[ORG_LIST_MAX];
    CHECK(j->conduct.n_agents <= ORG_LIST_MAX);
    conduct_decide(&j->conduct, &j->rules, &j->memory, j->state);
    for (int i = 0; i < j->conduct.n_agents; i++) {
        const bool acts = step->action != NULL && j->agent_of[i] >= 0;
        inside[i] = !acts || keeps_inside(j, i, step->action);
        if (acts) {
            const bool free = step->free_action == NULL || keeps_inside(j, i, step->free_action);
            conduct_choice(&j->conduct, i, inside[i], free);
        }
    }
    next_decision(j, step->state);
    for (int i = 0; i < j->conduct.n_agents; i++) {
        struct guides_reward reward;
        guides_reward(&reward, &j->memory, g, i, inside[i]);
        conduct_reward(&j->conduct, i, &reward);
    }
    j->acts = step->action != NULL;
    j->is_free = step->free_action != NULL;
    return ERR_OK;
}

struct episode_observer judge_observer(struct judge *j)
{
    return (struct episode_observer){.ctx = j, .begin = begin, .see = see};
}

void judge_finish(struct conduct_values *out, const struct judge *j)
{
    conduct_finish(out, &j->conduct);
    for (int i = 0; i < j->conduct.n_agents; i++) {
        if (!j->acts || j->agent_of[i] < 0) {
            out[i].inside = out[i].outside = out[i].penalty = NAN;
        }
        if (!j->acts || j->agent_of[i] < 0 || !j->is_free) {
            out[i].inside_free = NAN;
        }
    }
}
