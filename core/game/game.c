/* The game as an environment of marl: plants, schedules, teams and accounts of one tile.
 *
 * A step has three parts. Every environment turns the choices of its teams into a move (choose);
 * the plant advances all environments together; then every environment is accounted for and its
 * teams observe the new state (end_period). Environments share no state, so their results do not
 * depend on which tile, and so on which rank, plays them. */
#include "core/game/game.h"

#include "core/base/log.h"
#include "core/game/privileged.h"
#include "core/scenario/schedule.h"

#include <math.h>
#include <string.h>

/* What one environment of the tile carries through an episode. */
struct slot {
    struct schedule schedule;
    struct schedule *ahead; /* the same, beyond the end; NULL: no critic has a privileged part */
    void *memory[ENV_TEAMS_MAX]; /* of each team's interface */
    struct episode_account account;
    struct episode_id id;
    double *stats; /* (n_stats) of the episode that ended */
    struct game_move move;
    int steps_left;
};

struct game {
    struct env env;
    const struct env_setup *env_setup;
    const struct interface *teams[ENV_TEAMS_MAX]; /* (env.spec->n_teams) */
    const struct demonstrator *demo;
    const struct defender *defender;   /* NULL: a team changes replicas */
    const struct adversary *adversary; /* NULL: a team attacks, or nobody */
    struct plant *plant;
    struct slot *slots;           /* (n_env) */
    int32_t *delta;               /* (n_env, n_services) */
    struct attack_action *attack; /* (n_env); NULL: nobody attacks */
    int32_t *target;              /* (n_services) */
    uint64_t seed;
    bool privileged; /* some team's critic sees what lies ahead */
};

/* plant_state() may differ after each step, so a sight is made where it is used. */
static struct sight sight_of(const struct game *g, int lid)
{
    return (struct sight){.state = plant_state(g->plant, lid),
                          .schedule = &g->slots[lid].schedule,
                          .plant = g->plant,
                          .lid = lid};
}

static void observe(struct game *g, int lid, bool first)
{
    const struct sight sight = sight_of(g, lid);
    const struct adversary *a = g->adversary;
    if (a != NULL && first) {
        a->begin(a->ctx, lid, &g->slots[lid].id, &sight);
    } else if (a != NULL) {
        a->observe(a->ctx, lid, &sight);
    }
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        g->teams[k]->ops->observe(g->slots[lid].memory[k], g->teams[k], &sight);
    }
}

/* Everything is drawn from the identity of the episode, which has no rank in it. `steps` cuts the
 * first episode short, so that environments do not all end at the same time. A plant that is not
 * driven (the twin of a recording without load) ignores the schedule, so it is given none. */
static enum err game_reset(struct env *e, int lid, uint32_t gid, uint32_t episode, int steps)
{
    struct game *g = (struct game *)e;
    struct slot *slot = &g->slots[lid];
    const struct env_setup *w = g->env_setup;
    const int horizon = w->cfg.horizon;
    const uint32_t env =
        gid / (uint32_t)env_group(e->spec); /* the episodes of a run without groups */
    const uint32_t scenario = (env + episode) % (uint32_t)w->cfg.n_scenarios;

    slot->id =
        (struct episode_id){.seed = g->seed, .split = RNG_TRAIN, .env = env, .episode = episode};
    slot->steps_left = steps > 0 && steps < horizon ? steps : horizon;
    schedule_draw(&slot->schedule, &w->scenarios[scenario], &slot->id, w->n_seconds);
    if (g->privileged) {
        schedule_draw_ahead(slot->ahead, &w->scenarios[scenario], &slot->id, w->n_seconds,
                            PRIVILEGED_AHEAD_S);
    }
    for (int k = 0; k < e->spec->n_teams; k++) {
        g->teams[k]->ops->begin(slot->memory[k], g->teams[k], &slot->id, gid);
    }
    episode_account_clear(&slot->account);
    if (g->demo != NULL) {
        g->demo->reset(g->demo->ctx, lid, &slot->id);
    }
    if (g->defender != NULL) {
        g->defender->reset(g->defender->ctx, lid, &slot->id, &slot->schedule);
    }
    const bool driven = plant_can(g->plant, PLANT_DRIVEN);
    TRY(plant_reset(g->plant, lid, &slot->id, driven ? &slot->schedule : NULL, horizon));
    observe(g, lid, true);
    return ERR_OK;
}

static void game_global_state(struct env *e, int lid, int team, float *global_state, uint32_t *mask)
{
    const struct game *g = (const struct game *)e;
    const struct sight sight = sight_of(g, lid);
    const struct interface *i = g->teams[team];
    i->ops->global_state(global_state, mask, g->slots[lid].memory[team], i, &sight);
}

/* The same for every team: what lies ahead does not depend on who looks. */
static void game_privileged(struct env *e, int lid, int team, float *out)
{
    const struct game *g = (const struct game *)e;
    (void)team;
    privileged_fill(out, g->slots[lid].ahead, g->env_setup, plant_clock_s(g->plant, lid));
}

/* The metrics, the square of the reward, and what each interface adds, in the order of
 * interface_env_spec(). An episode without requests is not scored: all its numbers are NaN, which
 * env.h defines as not counted. */
static void finish_episode(struct game *g, int lid)
{
    struct slot *slot = &g->slots[lid];
    struct episode_metrics metrics;
    double *out = slot->stats;
    int n_cohorts = 0;
    const struct plant_cohort *cohorts = plant_cohorts(g->plant, lid, &n_cohorts);
    episode_metrics_finish(&metrics, &slot->account, cohorts, n_cohorts, slot->schedule.onset_s,
                           g->env_setup->cfg.plant);
    if (isnan(metrics.reward)) { /* an episode without requests is not scored */
        for (int i = 0; i < g->env.spec->n_stats; i++) {
            out[i] = (double)NAN;
        }
        return;
    }
    memcpy(out, &metrics, METRIC_TRAINED * sizeof *out);
    out[EPISODE_REWARD_SQUARED] = metrics.reward * metrics.reward;
    out += EPISODE_OWN;
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        const struct interface *i = g->teams[k];
        if (i->n_stats > 0) {
            i->ops->finish(out, slot->memory[k], i);
        }
        out += i->n_stats;
    }
}

/* A reward that is not a number would spoil every weight that learns from it. */
static enum err no_reward(const struct game *g, const struct reward_terms *terms)
{
    const char *term = reward_unknown(terms, g->env_setup->cfg.plant);
    log_error("the reward of a period is no number: the term '%s' is unknown in the plant '%s'; "
              "leave it out of plant.reward_terms",
              term != NULL ? term : "reward", g->plant->ops->kind);
    return ERR_NUMERIC;
}

/* Accounts for the period that just passed in one environment. Teams observe the new state before
 * they are asked for rewards: the missions of an organisation are paid by the state that a step led
 * to. The account needs the move of this step, which choose() overwrites only in the next one. */
static enum err end_period(struct game *g, int lid, float *const *reward, uint8_t *flag)
{
    struct slot *slot = &g->slots[lid];
    struct plant_truth counters;
    struct reward_terms terms;
    reward_of_plant(&terms, &counters, g->plant, lid);
    if (!isfinite(terms.reward)) {
        return no_reward(g, &terms);
    }
    episode_account_step(&slot->account, &counters, &terms, slot->move.delta, slot->move.conflict);
    observe(g, lid, false);
    const struct sight sight = sight_of(g, lid);
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        const struct interface *i = g->teams[k];
        i->ops->reward(reward[k] + (size_t)lid * (size_t)i->spec->n_agents, slot->memory[k], i,
                       &sight, &terms);
    }
    *flag = ENV_RUNNING;
    if (--slot->steps_left == 0) {
        finish_episode(g, lid);
        *flag = ENV_TRUNCATED;
    }
    return ERR_OK;
}

/* The choices of all teams in one environment become its move. One team, or a defender that is
 * none, changes replicas, and one team, or an adversary that is none, may attack, so nobody
 * overwrites what another one wrote. */
static void choose(struct game *g, int lid, const int32_t *const *action)
{
    struct slot *slot = &g->slots[lid];
    const struct sight sight = sight_of(g, lid);
    const size_t n_services = (size_t)g->env_setup->topology.n_services;
    int32_t *delta = g->delta + (size_t)lid * n_services;
    slot->move = (struct game_move){.delta = delta};
    memset(delta, 0, n_services * sizeof *delta);
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        const struct interface *i = g->teams[k];
        i->ops->apply(&slot->move, slot->memory[k], i, &sight,
                      action[k] + (size_t)lid * (size_t)env_n_actions(i->spec));
    }
    if (g->defender != NULL) {
        g->defender->change(g->defender->ctx, lid, delta, &sight);
    }
    if (g->adversary != NULL) {
        g->adversary->attack(g->adversary->ctx, lid, &slot->move.attack, &sight);
    }
    if (g->attack != NULL) {
        g->attack[lid] = slot->move.attack;
    }
}

/* Environment after environment, in order: an error is always that of the first that has one. */
static enum err game_step(struct env *e, const int32_t *const *action, float *const *reward,
                          uint8_t *flag)
{
    struct game *g = (struct game *)e;
    for (int lid = 0; lid < e->n_env; lid++) {
        choose(g, lid, action);
    }
    TRY(plant_step(g->plant, g->delta, g->attack, NULL));
    for (int lid = 0; lid < e->n_env; lid++) {
        TRY(end_period(g, lid, reward, flag + lid));
    }
    return ERR_OK;
}

static void game_stats(struct env *e, int lid, double *out)
{
    const struct game *g = (const struct game *)e;
    memcpy(out, g->slots[lid].stats, (size_t)e->spec->n_stats * sizeof *out);
}

static void game_demonstrate(struct env *e, int lid, int team, int32_t *action)
{
    struct game *g = (struct game *)e;
    const struct sight sight = sight_of(g, lid);
    const struct interface *i = g->teams[team];
    g->demo->target(g->demo->ctx, lid, g->target, sight.state);
    i->ops->imitate(action, g->slots[lid].memory[team], i, &sight, g->target);
}

/* Two tables, because a NULL for .demonstrate tells marl that there is no demonstrator. */
static const struct env_ops game_ops = {
    .reset = game_reset,
    .global_state = game_global_state,
    .privileged = game_privileged,
    .step = game_step,
    .stats = game_stats,
};
static const struct env_ops game_ops_demonstrated = {
    .reset = game_reset,
    .global_state = game_global_state,
    .privileged = game_privileged,
    .step = game_step,
    .stats = game_stats,
    .demonstrate = game_demonstrate,
};

static enum err init_slot(struct game *g, struct arena *arena, struct slot *slot)
{
    const int n_seconds = g->env_setup->n_seconds;
    TRY(schedule_init(&slot->schedule, arena, n_seconds));
    if (g->privileged) {
        slot->ahead = ARENA_NEW(arena, 1, struct schedule);
        TRY(arena_error(arena));
        TRY(schedule_init(slot->ahead, arena, n_seconds + PRIVILEGED_AHEAD_S));
    }
    TRY(episode_account_init(&slot->account, arena, g->env_setup->topology.n_services));
    slot->stats = ARENA_NEW(arena, g->env.spec->n_stats, double);
    TRY(arena_error(arena));
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        TRY(g->teams[k]->ops->memory(&slot->memory[k], arena, g->teams[k]));
    }
    return ERR_OK;
}

static enum err init(struct game *g, struct arena *arena)
{
    const int n_env = g->env.n_env, n_services = g->env_setup->topology.n_services;
    bool attacks = g->adversary != NULL;
    for (int k = 0; k < g->env.spec->n_teams; k++) {
        attacks = attacks || g->teams[k]->attacks;
    }
    g->slots = ARENA_NEW(arena, n_env, struct slot);
    g->delta = ARENA_NEW(arena, n_env * n_services, int32_t);
    g->target = ARENA_NEW(arena, n_services, int32_t);
    g->attack = attacks ? ARENA_NEW(arena, n_env, struct attack_action) : NULL;
    TRY(arena_error(arena));
    for (int i = 0; i < n_env; i++) {
        TRY(init_slot(g, arena, &g->slots[i]));
    }
    return env_setup_plant(&g->plant, arena, g->env_setup, env_setup_training_plant(g->env_setup),
                           n_env);
}

enum err game_new_teams(struct env **out, struct arena *arena, const struct game_teams *teams,
                        int n_env, uint64_t seed, const struct demonstrator *demo)
{
    struct game *g = ARENA_NEW(arena, 1, struct game);
    TRY(arena_error(arena));
    const bool shown = demo != NULL && teams->interfaces[0]->ops->imitate != NULL;
    *g = (struct game){
        .env = {.ops = shown ? &game_ops_demonstrated : &game_ops,
                .spec = teams->spec,
                .n_env = n_env},
        .env_setup = teams->env_setup,
        .demo = shown ? demo : NULL,
        .defender = teams->defender,
        .adversary = teams->adversary,
        .seed = seed,
    };
    for (int k = 0; k < teams->spec->n_teams; k++) {
        g->teams[k] = teams->interfaces[k];
        g->privileged = g->privileged || teams->spec->teams[k]->n_privileged > 0;
    }
    TRY(init(g, arena));
    *out = &g->env;
    return ERR_OK;
}

enum err game_new(struct env **out, struct arena *arena, const struct rules *rules, int n_env,
                  uint64_t seed, const struct demonstrator *demo)
{
    const struct interface *const alone[] = {&rules->interface};
    const struct game_teams teams = {
        .env_setup = rules->env_setup, .spec = &rules->env, .interfaces = alone};
    return game_new_teams(out, arena, &teams, n_env, seed, demo);
}
