/* Tiles of the game and teams of networks for the trainer. See train_game.h. */
#include "mpi/train/train_game.h"

#include "core/game/game.h"
#include "core/game/org_metrics.h"
#include "core/marl/mappo_learner.h"
#include "mpi/train/demonstrate.h"

#include <stdio.h>
#include <string.h>

/* ---- environments ---- */

static enum err make_tile(void *ctx, struct env **out, struct arena *arena, int n_env)
{
    const struct game_source *g = ctx;
    const struct demonstrator *demo = NULL;
    struct demonstrations *demos;
    if (g->train->init != INIT_SCRATCH) {
        TRY(demonstrations_init(&demos, arena, &g->rule, g->rules, 1));
        demo = demonstrations_tile(demos, 0);
    }
    return game_new(out, arena, g->rules, n_env, g->train->seed, demo);
}

/* "  compliant 93 %": choices that roles allow, of those where there was something to choose; ""
 * without an organisation, or when no episode ended. Each agent has ORG_METRIC_TRAINED values
 * behind the EPISODE_OWN of the game, in the order of struct org_metric_values, which has doubles
 * only: an offset in it over sizeof(double) is an index here. Both numbers are sums over episodes
 * of a share of decisions; in their ratio an episode counts by how often the agent could act. */
static void tell_compliance(const void *ctx, char text[SOURCE_TEXT], const float *episodes)
{
    const struct guides *guides = ((const struct game_source *)ctx)->rules->guides;
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

struct networks {
    struct team team;
    struct mappo_learner learner;
};

/* Sets to 0 the first-layer weights of the inputs that the plant of this training does not have.
 * Such an input is always 0, and so is the gradient of its weights, input times error of the unit:
 * the weights stay 0. Random ones would stay, too, and a policy that meets these inputs on another
 * plant would follow weights that were never trained. Row i of the first matrix (inputs, units)
 * belongs to input i. */
static void blind(const struct mlp *net, float *params, const struct rules *rules)
{
    const size_t n = (size_t)net->shape.sizes[1];
    for (int i = 0; i < net->shape.sizes[0]; i++) {
        if (rules_input_unknown(rules, i)) {
            memset(params + net->w[0] + (size_t)i * n, 0, n * sizeof *params);
        }
    }
}

static void blind_team(struct team *t, const struct rules *rules)
{
    for (int i = 0; i < t->n_actors; i++) {
        blind(&t->actor, t->w.params + t->actor_at[i], rules);
    }
    blind(&t->critic, t->w.params + t->critic_at[0], rules);
}

static enum err make_learner(const void *ctx, struct learner **out, struct arena *arena,
                             const struct team_spec *spec, int team, uint64_t seed,
                             struct arena *scratch)
{
    const struct mappo_source *s = ctx;
    struct networks *n = ARENA_NEW(arena, 1, struct networks);
    TRY(arena_error(arena));
    TRY(team_init(&n->team, arena, s->team, spec));
    n->team.number = team;
    TRY(team_init_params(&n->team, seed, scratch));
    if (s->rules != NULL) {
        blind_team(&n->team, s->rules);
    }
    TRY(mappo_learner_init(&n->learner, arena, &n->team, s->mappo));
    *out = &n->learner.base;
    return ERR_OK;
}

struct learner_source mappo_source_learner(const struct mappo_source *s)
{
    return (struct learner_source){.ctx = s, .make = make_learner};
}

struct env_source game_source_envs(struct game_source *g, const struct train_cfg *train,
                                   const struct rules *rules)
{
    *g = (struct game_source){
        .rules = rules,
        .train = train,
        .rule = {.name = "train.clone.rule", .method = train->clone.rule.method},
    };
    return (struct env_source){.spec = &rules->env,
                               .horizon = rules->cfg->horizon,
                               .ctx = g,
                               .make = make_tile,
                               .tell = tell_compliance};
}

void train_game_init(struct train_game *g, const struct train_cfg *train, const struct rules *rules,
                     const struct team_cfg *team, const struct mappo_cfg *mappo)
{
    *g = (struct train_game){.mappo = {.team = team, .mappo = mappo, .rules = rules}};
    g->envs = game_source_envs(&g->game, train, rules);
    g->learners[0] = mappo_source_learner(&g->mappo);
}
