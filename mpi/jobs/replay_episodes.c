/* The plays of an evaluation without its rows: the same episode, controller and conditions. See
 * replay_episodes.h. */
#include "mpi/jobs/replay_episodes.h"

#include "core/base/log.h"

#include <inttypes.h>
#include <string.h>

static enum err find_controller(int *out, const struct replay *r)
{
    const struct eval_cfg *cfg = &r->x->cfg.eval;
    for (int c = 0; c < cfg->n_controllers; c++) {
        if (strcmp(controller_label(&cfg->controllers[c]), r->set->controller) == 0) {
            if (!controller_needs(&cfg->controllers[c], CONTROLLER_NEEDS_POLICY)) {
                log_error("%s: '%s' was not trained; choices can be replaced and explained of "
                          "trained teams only",
                          r->x->path, r->set->controller);
                return ERR_USAGE;
            }
            *out = c;
            return ERR_OK;
        }
    }
    log_error("%s: eval.controllers has no '%s', who played the recorded episodes; give the "
              "configuration of their evaluation (--config CONFIG)",
              r->x->path, r->set->controller);
    return ERR_USAGE;
}

/* The conditions of eval_new() (core/eval/eval.c). */
static enum err open_episode(struct replay *r, struct arena *arena)
{
    const struct eval_cfg *cfg = &r->x->cfg.eval;
    const struct env_setup *env = &r->x->env_setup;
    TRY(episode_init_on(&r->episode, arena, env, (enum plant_kind)cfg->plant));
    r->episode.warmup_s = cfg->warmup_s;
    r->episode.step_bound = cfg->step_bound;
    TRY(episode_lie(&r->episode, arena, &cfg->lie));
    return cfg->shield ? episode_shield(&r->episode, arena, env->shield) : ERR_OK;
}

static enum err open_teams(struct replay *r, struct arena *arena)
{
    int c;
    TRY(find_controller(&c, r));
    TRY(policies_load(&r->policies, arena, r->x, c, r->x->path));
    const struct eval_teams *teams = &r->policies.teams[c];
    r->n_teams = teams->n_teams;
    r->teams = ARENA_NEW(arena, r->n_teams, struct replay_team);
    TRY(arena_error(arena));
    for (int i = 0; i < r->n_teams; i++) {
        struct replay_team *t = &r->teams[i];
        t->trained = &teams->teams[i];
        t->train_seed = r->policies.sources[c][i].seed;
        t->digest = r->policies.sources[c][i].digest;
        TRY(counterfactual_init(&t->c, arena, t->trained));
        TRY(controller_new(&t->controller, arena, &r->x->cfg.eval.controllers[c], &r->x->env_setup,
                           &r->x->rules, &t->c.team));
        TRY(counterfactual_play_init(&t->play, arena, &r->episode, t->controller, &t->c));
    }
    return ERR_OK;
}

enum err replay_open(struct replay *r, struct arena *arena, const struct trajectory_set *set,
                     const struct experiment *x)
{
    *r = (struct replay){.set = set, .x = x};
    TRY(open_episode(r, arena));
    return open_teams(r, arena);
}

enum err replay_identity(int *scenario, struct episode_id *id, const struct replay *r,
                         const struct analysed_episode *e)
{
    for (int s = 0; s < r->x->cfg.n_scenarios; s++) {
        if (strcmp(r->x->cfg.scenarios[s].name, e->scenario) == 0) {
            *scenario = s;
            *id = (struct episode_id){.seed = e->seed,
                                      .split =
                                          strcmp(e->split, "test") == 0 ? RNG_TEST_SPLIT : RNG_DEV,
                                      .env = e->episode};
            return ERR_OK;
        }
    }
    log_error("%s has no scenario '%s', in which an episode was recorded", r->x->path, e->scenario);
    return ERR_MISMATCH;
}

static enum err find_team(struct replay_team **out, struct replay *r,
                          const struct analysed_episode *e)
{
    for (int i = 0; i < r->n_teams; i++) {
        if (r->teams[i].train_seed == e->train_seed && r->teams[i].digest == e->policy) {
            *out = &r->teams[i];
            return ERR_OK;
        }
    }
    log_error("%s: no policy of '%s' has the training seed %" PRIu64 " and the weights (%016" PRIx64
              ") of the recorded episode %u; it was trained anew, or the episodes are of another "
              "evaluation",
              r->x->path, r->set->controller, e->train_seed, e->policy, e->episode);
    return ERR_MISMATCH;
}

enum err replay_first(struct replay_team **team, struct replay *r, const struct analysed_episode *e)
{
    int scenario;
    struct episode_id id;
    struct replay_team *t;
    TRY(find_team(&t, r, e));
    TRY(replay_identity(&scenario, &id, r, e));
    TRY(counterfactual_play_first(&t->play, scenario, &id));
    const size_t n = (size_t)t->play.n_steps * (size_t)(t->play.n_agents * t->play.n_factors);
    if (t->play.n_steps != e->n_steps ||
        memcmp(t->play.action, e->action, n * sizeof *e->action) != 0) {
        log_error("%s: episode %u of scenario '%s' is played otherwise than it was recorded; the "
                  "configuration or the program is not that of the evaluation",
                  r->x->path, e->episode, e->scenario);
        return ERR_MISMATCH;
    }
    *team = t;
    return ERR_OK;
}
