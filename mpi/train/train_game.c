/* Tiles of the game and learners of a method for the trainer. See train_game.h. */
#include "mpi/train/train_game.h"

#include "core/game/game.h"
#include "core/game/org_metrics.h"
#include "core/marl/mappo_learner.h"
#include "mpi/train/demonstrate.h"

#include <stdio.h>

/* ---- environments ---- */

enum err game_source_demonstrator(const struct demonstrator **out, struct arena *arena,
                                  const struct game_source *g)
{
    struct demonstrations *demos;
    *out = NULL;
    if (g->train->init != INIT_SCRATCH) {
        TRY(demonstrations_init(&demos, arena, &g->rule, g->method->setup.rules, 1));
        *out = demonstrations_tile(demos, 0);
    }
    return ERR_OK;
}

static enum err make_tile(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    const struct game_source *g = ctx;
    const struct method *m = g->method;
    const struct demonstrator *demo;
    const struct game_teams teams = {
        .env_setup = m->setup.env_setup, .spec = &m->env, .interfaces = &m->interface};
    TRY(game_source_demonstrator(&demo, arena, g));
    return game_new_teams(out, arena, &teams, n_env, g->train->seed, demo);
}

/* "  compliant 93 %": choices that roles allow, of those where there was something to choose; ""
 * without an organisation, or when no episode ended. Each agent has ORG_METRIC_TRAINED values
 * behind the EPISODE_OWN of the game, in the order of struct org_metric_values, which has doubles
 * only: an offset in it over sizeof(double) is an index here. Both numbers are sums over episodes
 * of a share of decisions; in their ratio an episode counts by how often the agent could act. */
static void tell_compliance(const void *ctx, char text[SOURCE_TEXT], const float *episodes)
{
    const struct rules *rules = rules_of(((const struct game_source *)ctx)->method->interface);
    const struct guides *guides = rules != NULL ? rules->guides : NULL;
    double can_act = 0.0, compliant = 0.0;
    for (int a = 0; guides != NULL && a < guides->n_agents; a++) {
        const float *values = episodes + EPISODE_OWN + a * ORG_METRIC_TRAINED;
        can_act += (double)values[offsetof(struct org_metric_values, can_act) / sizeof(double)];
        compliant += (double)values[offsetof(struct org_metric_values, compliant) / sizeof(double)];
    }
    text[0] = '\0';
    if (can_act > 0.0) {
        (void)snprintf(text, SOURCE_TEXT, "  compliant %.0f %%", 100.0 * compliant / can_act);
    }
}

/* ---- learners ---- */

static enum err make_networks(const void *ctx, struct learner **out, struct arena *arena,
                              const struct team_spec *spec, int team, uint64_t seed,
                              struct arena *scratch)
{
    const struct mappo_source *s = ctx;
    const struct mappo_plan plan = {
        .team = s->team, .mappo = s->mappo, .spec = spec, .number = team};
    struct mappo_learner *learner;
    TRY(mappo_learner_new(&learner, arena, &plan, seed, scratch));
    *out = &learner->base;
    return ERR_OK;
}

struct learner_source mappo_source_learner(const struct mappo_source *s)
{
    return (struct learner_source){.ctx = s, .make = make_networks};
}

/* The team's shape is that of the method's interface, as the environments are. */
static enum err make_learner(const void *ctx, struct learner **out, struct arena *arena,
                             const struct team_spec *spec, int team, uint64_t seed,
                             struct arena *scratch)
{
    const struct method *m = ctx;
    CHECK(spec == m->interface->spec);
    return method_learner(out, arena, m, team, true, seed, scratch);
}

struct env_source game_source_envs(struct game_source *g, const struct train_cfg *train,
                                   const struct method *method)
{
    *g = (struct game_source){
        .method = method,
        .train = train,
        .rule = {.name = "train.clone.rule", .method = train->clone.rule.method},
    };
    return (struct env_source){.spec = &method->env,
                               .horizon = method->setup.env_setup->cfg.horizon,
                               .ctx = g,
                               .make = make_tile,
                               .tell = tell_compliance};
}

void train_game_init(struct train_game *g, const struct train_cfg *train,
                     const struct method *method)
{
    *g = (struct train_game){.learners = {{.ctx = method, .make = make_learner}}};
    g->envs = game_source_envs(&g->game, train, method);
}
