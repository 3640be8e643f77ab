/* The game as an environment of marl: plants, schedules, memories and accounts of one tile. */
#include "core/game/game.h"

#include "core/game/conduct.h"
#include "core/plant/metrics.h"
#include "core/plant/reward.h"
#include "core/scenario/schedule.h"

#include <string.h>

/* What one environment of the tile carries through an episode. */
struct slot {
    struct schedule schedule;
    struct rules_memory memory;
    struct metrics_account account;
    struct episode_id id;
    struct episode_metrics last; /* of the episode that ended */
    struct conduct conduct;      /* with an organisation */
    struct conduct_values *kept; /* (agents of the organisation) of the episode that ended */
    bool conflict;
    int steps_left;
};

struct game {
    struct env env;
    const struct rules *rules;
    const struct demonstrator *demo;
    struct plant *plant;
    struct slot *slots; /* (n_env) */
    int32_t *delta;     /* (n_env, n_services) */
    int32_t *target;    /* (n_services) */
    uint64_t seed;
};

static enum err game_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct game *g = (struct game *)e;
    struct slot *slot = &g->slots[lid];
    const struct world *w = g->rules->world;
    const int horizon = w->cfg.horizon;
    const uint32_t scenario = (gid + episode) % (uint32_t)w->cfg.n_scenarios;

    slot->id =
        (struct episode_id){.seed = g->seed, .split = RNG_TRAIN, .env = gid, .episode = episode};
    slot->steps_left = steps > 0 && steps < horizon ? steps : horizon;
    schedule_draw(&slot->schedule, &w->scenarios[scenario], &slot->id, w->n_seconds);
    rules_begin(&slot->memory, g->rules, &slot->id);
    metrics_account_clear(&slot->account);
    conduct_clear(&slot->conduct);
    if (g->demo != NULL) {
        g->demo->reset(g->demo->ctx, lid, &slot->id);
    }
    TRY(plant_reset(g->plant, lid, &slot->id, &slot->schedule, horizon));
    rules_observe(&slot->memory, g->rules, plant_state(g->plant, lid));
    return ERR_OK;
}

static void game_row(struct env *e, int lid, int team, float *row, uint32_t *mask)
{
    (void)team;
    struct game *g = (struct game *)e;
    rules_row(row, mask, g->rules, &g->slots[lid].memory, plant_state(g->plant, lid));
}

/* What the agents chose, before the plant moves. */
static void judge_choices(struct game *g, struct slot *slot, const float *state)
{
    const struct rules *r = g->rules;
    if (r->guides == NULL) {
        return;
    }
    const struct guides_memory *m = &slot->memory.guides;
    conduct_decide(&slot->conduct, r, m, state);
    for (int a = 0; a < r->spec.n_agents; a++) {
        const bool inside = slot->memory.inside[a] != 0;
        conduct_choice(&slot->conduct, r->guide_of[a], inside, inside);
    }
}

/* The common reward, and to each agent what its organisation adds. */
static void give_rewards(struct game *g, struct slot *slot, float *reward, double common)
{
    const struct rules *r = g->rules;
    for (int a = 0; a < r->spec.n_agents; a++) {
        struct guides_reward own;
        rules_reward(&own, &slot->memory, r, a);
        reward[a] = (float)(common + own.mission + own.bonus + own.penalty);
        if (r->guides != NULL) {
            conduct_reward(&slot->conduct, r->guide_of[a], &own);
        }
    }
}

static void finish_episode(struct game *g, int lid)
{
    struct slot *slot = &g->slots[lid];
    int n_cohorts = 0;
    const struct plant_cohort *cohorts = g->plant->ops->cohorts(g->plant, lid, &n_cohorts);
    metrics_finish(&slot->last, &slot->account, cohorts, n_cohorts, slot->schedule.onset_s,
                   g->rules->world->cfg.plant);
    if (g->rules->guides != NULL) {
        conduct_finish(slot->kept, &slot->conduct);
    }
}

/* Account for the period that just passed in one environment. */
static void settle(struct game *g, int lid, float *reward, uint8_t *flag)
{
    struct slot *slot = &g->slots[lid];
    const struct world *w = g->rules->world;
    const struct plant_truth *truth = plant_truth(g->plant, lid);
    struct reward_terms terms;
    reward_of(&terms, truth, w->cfg.plant, w->cfg.topology->node_cpu_m);
    metrics_account_step(&slot->account, truth, &terms,
                         g->delta + (size_t)lid * (size_t)g->rules->n_services, slot->conflict);
    rules_observe(&slot->memory, g->rules, plant_state(g->plant, lid));
    give_rewards(g, slot, reward, terms.reward);
    *flag = ENV_RUNNING;
    if (--slot->steps_left == 0) {
        finish_episode(g, lid);
        *flag = ENV_TRUNCATED;
    }
}

static enum err game_step(struct env *e, const int32_t *const *action, float *const *reward,
                          uint8_t *flag)
{
    struct game *g = (struct game *)e;
    const struct team_spec *spec = e->spec->teams[0];
    const size_t n_services = (size_t)g->rules->n_services;
    const size_t n_actions = (size_t)env_n_actions(spec);
    for (int lid = 0; lid < e->n_env; lid++) {
        struct slot *slot = &g->slots[lid];
        const float *state = plant_state(g->plant, lid);
        rules_apply(g->delta + (size_t)lid * n_services, &slot->conflict, &slot->memory, g->rules,
                    state, action[0] + (size_t)lid * n_actions);
        judge_choices(g, slot, state);
    }
    TRY(plant_step(g->plant, g->delta, NULL, NULL));
    for (int lid = 0; lid < e->n_env; lid++) {
        settle(g, lid, reward[0] + (size_t)lid * (size_t)spec->n_agents, flag + lid);
    }
    return ERR_OK;
}

static void game_stats(struct env *e, int lid, double *out)
{
    struct game *g = (struct game *)e;
    const struct slot *slot = &g->slots[lid];
    memcpy(out, &slot->last, METRIC_TRAINED * sizeof *out);
    out[RULES_REWARD_SQUARED] = slot->last.reward * slot->last.reward;
    out += RULES_CONDUCT;
    for (int a = 0; a < slot->conduct.n_agents; a++, out += CONDUCT_TRAINED) {
        memcpy(out, &slot->kept[a], CONDUCT_TRAINED * sizeof *out);
    }
}

static void game_demonstrate(struct env *e, int lid, int team, int32_t *action)
{
    (void)team;
    struct game *g = (struct game *)e;
    const float *state = plant_state(g->plant, lid);
    g->demo->target(g->demo->ctx, lid, g->target, state);
    rules_imitate(action, g->rules, &g->slots[lid].memory, state, g->target);
}

static const struct env_ops game_ops = {
    .reset = game_reset,
    .row = game_row,
    .step = game_step,
    .stats = game_stats,
};
static const struct env_ops game_ops_demonstrated = {
    .reset = game_reset,
    .row = game_row,
    .step = game_step,
    .stats = game_stats,
    .demonstrate = game_demonstrate,
};

static enum err init_slots(struct game *g, struct arena *arena)
{
    const struct rules *r = g->rules;
    for (int i = 0; i < g->env.n_env; i++) {
        struct slot *slot = &g->slots[i];
        TRY(schedule_init(&slot->schedule, arena, r->world->n_seconds));
        TRY(rules_memory_init(&slot->memory, arena, r));
        TRY(metrics_account_init(&slot->account, arena, r->n_services));
        if (r->guides != NULL) {
            TRY(conduct_init(&slot->conduct, arena, r->guides));
            slot->kept = ARENA_NEW(arena, r->guides->n_agents, struct conduct_values);
            if (slot->kept == NULL) {
                return ERR_MEMORY;
            }
        }
    }
    return ERR_OK;
}

enum err game_new(struct env **out, struct arena *arena, const struct rules *rules, int n_env,
                  uint64_t seed, const struct demonstrator *demo)
{
    struct game *g = ARENA_NEW(arena, 1, struct game);
    if (g == NULL) {
        return ERR_MEMORY;
    }
    *g = (struct game){
        .env = {.ops = demo != NULL ? &game_ops_demonstrated : &game_ops,
                .spec = &rules->env,
                .n_env = n_env},
        .rules = rules,
        .demo = demo,
        .slots = ARENA_NEW(arena, n_env, struct slot),
        .delta = ARENA_NEW(arena, n_env * rules->n_services, int32_t),
        .target = ARENA_NEW(arena, rules->n_services, int32_t),
        .seed = seed,
    };
    if (g->slots == NULL || g->delta == NULL || g->target == NULL) {
        return ERR_MEMORY;
    }
    TRY(init_slots(g, arena));
    TRY(world_plant(&g->plant, arena, rules->world, world_training_ground(rules->world), n_env));
    *out = &g->env;
    return ERR_OK;
}
