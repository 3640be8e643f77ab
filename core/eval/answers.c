/* Episodes in the twin, whose metrics are thrown away. See answers.h. */
#include "core/eval/answers.h"

#include "core/eval/episode.h"
#include "core/twin/twin.h"

#include <string.h>

static enum err play_one(struct episode *e, const struct eval_cfg *cfg, struct controller *c)
{
    struct episode_metrics thrown_away;
    for (int s = 0; s < e->env_setup->cfg.n_scenarios; s++) {
        for (int i = 0; i < cfg->episodes; i++) {
            const struct episode_id id = {.seed = cfg->seed,
                                          .split = (enum rng_split)cfg->split,
                                          .env = (uint32_t)(cfg->first + i)};
            TRY(episode_run(e, &thrown_away, c, s, &id, NULL));
        }
    }
    return ERR_OK;
}

/* The twin counts steps over its whole life, so a controller's share is a difference of two
 * readings. */
enum err answers_count(struct answers *out, struct arena *arena, const struct eval_cfg *cfg,
                       const struct env_setup *env_setup, const struct rules *rules,
                       const struct eval_teams *teams)
{
    struct episode episode;
    TRY(episode_init_on(&episode, arena, env_setup, PLANT_KIND_TWIN));
    for (int k = 0; k < cfg->n_controllers; k++) {
        const bool learned = teams[k].n_teams > 0;
        struct controller *c;
        int64_t before[TWIN_SOURCES];
        TRY(controller_new(&c, arena, &cfg->controllers[k], env_setup, rules,
                           learned ? teams[k].teams : NULL));
        memcpy(before, twin_steps_by_source(episode.plant), sizeof before);
        TRY(play_one(&episode, cfg, c));
        out[k] = (struct answers){.steps = 0};
        for (int s = 0; s < TWIN_SOURCES; s++) {
            out[k].asked[s] = twin_steps_by_source(episode.plant)[s] - before[s];
            out[k].steps += out[k].asked[s];
        }
    }
    return ERR_OK;
}
