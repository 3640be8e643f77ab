/* An interface: how one team meets the plant. What it sees of a state, what it may choose, what its
 * choices come to, what it is paid.
 *
 * A game (game.h) holds one for each team; the rules of the defenders (rules.h) are the first.
 * Another method's observation and reward, or an attacker's, is another interface beside it. The
 * order of an episode:
 *
 *     begin()                          before the first state
 *     observe()                        once for each state, the first included
 *     global_state()                   looks at that state, as often as wanted
 *     apply()                          the choices of one decision
 *     observe(), reward()              when the state they led to is there
 *     finish()                         after the last of these
 *
 * An interface is immutable and shared by all environments; what a team remembers of an episode
 * stands in the memory that memory() makes for each environment.
 */
#ifndef KARMA_GAME_INTERFACE_H
#define KARMA_GAME_INTERFACE_H

#include "core/base/mem.h"
#include "core/marl/env.h"
#include "core/plant/episode_metrics.h"
#include "core/plant/plant.h"
#include "core/plant/reward.h"
#include "core/shield/shield.h"

/* Where one looks: an environment at a decision. An interface shows its agents of it what their
 * method measures, and may show its critic more. */
struct sight {
    const float *state;              /* measured (core/plant/schema.h) */
    const struct schedule *schedule; /* of the episode; NULL where the future is not known */
    /* e.g. for attack_left() and the truth of the last period; NULL where a policy is played: it is
     * shown what is measured. */
    const struct plant *plant;
    int lid; /* in that plant */
    /* Where a policy is played: the state with the ages of its values. NULL: they are the plant's.
     */
    const struct shield_view *view;
};

/* What the choices of the teams come to in one environment. Nothing to begin with; one team changes
 * replicas and one may attack. */
struct game_move {
    int32_t *delta;              /* (n_services) change of desired replicas */
    struct attack_action attack; /* of the team whose interface attacks */
    bool conflict;               /* agents wanted opposite things */
};

struct interface;
struct interface_ops {
    const char *name;
    enum err (*memory)(void **out, struct arena *arena, const struct interface *i);
    /* id: of the episode, the same for all members of a group (env_spec.group); gid: the
     * environment, a coordinate of draws that members do not share. */
    void (*begin)(void *memory, const struct interface *i, const struct episode_id *id,
                  uint32_t gid);
    void (*observe)(void *memory, const struct interface *i, const struct sight *sight);
    /* global_state (G), mask (A, F, words) as marl wants them (core/marl/env.h). */
    void (*global_state)(float *global_state, uint32_t *mask, const void *memory,
                         const struct interface *i, const struct sight *sight);
    /* action (A, F). */
    void (*apply)(struct game_move *move, void *memory, const struct interface *i,
                  const struct sight *sight, const int32_t *action);
    /* reward (A) of the period that has just passed; terms: of the defenders. */
    void (*reward)(float *reward, void *memory, const struct interface *i,
                   const struct sight *sight, const struct reward_terms *terms);
    /* stats (i->n_stats) of the episode. NULL if there are none. */
    void (*finish)(double *stats, void *memory, const struct interface *i);
    /* action (A, F) of a team that imitates one who wants target (n_services) replicas, inside the
     * masks. NULL: it cannot. */
    void (*imitate)(int32_t *action, const void *memory, const struct interface *i,
                    const struct sight *sight, const int32_t *target);
};

struct interface {
    const struct interface_ops *ops;
    const struct team_spec *spec;
    bool attacks;                  /* its moves have an attack */
    int n_stats;                   /* numbers it adds to those of an episode */
    const char *const *stat_names; /* (n_stats) */
};

/* What an episode of a game leaves behind (env_spec.stat_names): its metrics, the square of its
 * reward, so that the deviation over any number of episodes can be had from their means, and what
 * the interfaces of its teams add, in order. */
enum { EPISODE_REWARD_SQUARED = METRIC_TRAINED, EPISODE_OWN };

/* The environment whose teams (n_teams) meet the plant by these interfaces. By reference. */
enum err interface_env_spec(struct env_spec *out, struct arena *arena,
                            const struct interface *const *teams, int n_teams) WARN_UNUSED;

#endif
