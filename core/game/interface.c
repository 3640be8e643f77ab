/* The environment that interfaces make up. See interface.h. */
#include "core/game/interface.h"

/* The names stand in the order in which an episode of the game writes its numbers (game.c). */
enum err interface_env_spec(struct env_spec *out, struct arena *arena,
                            const struct interface *const *teams, int n_teams)
{
    struct env_spec made = {.name = "karma", .n_teams = n_teams, .n_stats = EPISODE_OWN};
    CHECK(n_teams >= 1 && n_teams <= ENV_TEAMS_MAX);
    for (int k = 0; k < n_teams; k++) {
        made.teams[k] = teams[k]->spec;
        made.n_stats += teams[k]->n_stats;
    }
    const char **names = ARENA_NEW(arena, made.n_stats, const char *);
    TRY(arena_error(arena));
    for (int i = 0; i < METRIC_TRAINED; i++) {
        names[i] = metric_info[i].name;
    }
    names[EPISODE_REWARD_SQUARED] = "reward_squared";
    for (int k = 0, at = EPISODE_OWN; k < n_teams; k++) {
        for (int i = 0; i < teams[k]->n_stats; i++) {
            names[at++] = teams[k]->stat_names[i];
        }
    }
    made.stat_names = names;
    *out = made;
    return ERR_OK;
}
