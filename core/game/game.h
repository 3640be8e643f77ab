/* The stochastic game: a tile of plants with scenarios, and one interface for each team that meets
 * them. An env of marl.
 *
 * One step = one decision period: joint action -> change of replicas, attack -> plant -> truth ->
 * rewards. All defenders share the reward (plant/reward.h); an organisation adds to each what its
 * missions and its choices are worth (core/org/guides.h). Episodes are cut by the clock, never
 * terminated. Episode e of environment g plays scenario (g + e) mod n. In groups of G
 * (env_spec.group) all members of group g play the episodes of environment g, and since episodes
 * end by the clock alone, they end together; each member draws its own coins of active masks. An
 * episode leaves its metrics and what the interfaces add (interface.h). Where a team's critic is
 * shown a privileged part (team_spec.n_privileged), the schedule of an episode is drawn a second
 * time, beyond its end (privileged.h); what the plant is given stays as it is.
 */
#ifndef KARMA_GAME_GAME_H
#define KARMA_GAME_GAME_H

#include "core/game/rules.h"
#include "core/marl/env.h"

/* A rule to imitate: for the state of environment lid, the replicas it wants (n_services). */
struct demonstrator {
    void *ctx;
    void (*reset)(void *ctx, int lid, const struct episode_id *id);
    void (*target)(void *ctx, int lid, int32_t *target, const float *state);
};

/* Who changes replicas where no team does: any controller, so that an attacker may learn against
 * it. delta (n_services): the change it wants in environment lid. */
struct defender {
    void *ctx;
    void (*reset)(void *ctx, int lid, const struct episode_id *id, const struct schedule *schedule);
    void (*change)(void *ctx, int lid, int32_t *delta, const struct sight *sight);
};

/* Who attacks where no team does: attackers that play as they are, so that defenders may learn
 * against them. Environment lid stands at the first decision of an episode (begin), at a decision
 * (attack), behind a period (observe). */
struct adversary {
    void *ctx;
    void (*begin)(void *ctx, int lid, const struct episode_id *id, const struct sight *sight);
    void (*attack)(void *ctx, int lid, struct attack_action *out, const struct sight *sight);
    void (*observe)(void *ctx, int lid, const struct sight *sight);
};

/* Who plays, and where. */
struct game_teams {
    const struct env_setup *env_setup;
    const struct env_spec *spec;               /* of these interfaces (interface_env_spec()) */
    const struct interface *const *interfaces; /* (spec->n_teams) */
    const struct defender *defender;           /* NULL: a team changes replicas */
    const struct adversary *adversary;         /* NULL: a team attacks, or nobody */
};

/* A tile of n_env games under `seed` in the TRAIN domain. demo (may be NULL) is what the
 * first team imitates, if its interface can. Arguments by reference, but for *teams. */
enum err game_new_teams(struct env **out, struct arena *arena, const struct game_teams *teams,
                        int n_env, uint64_t seed, const struct demonstrator *demo) WARN_UNUSED;

/* The same with the defenders alone: spec rules->env. */
enum err game_new(struct env **out, struct arena *arena, const struct rules *rules, int n_env,
                  uint64_t seed, const struct demonstrator *demo) WARN_UNUSED;

#endif
