/* Stages: how much of a decision is written.
 *
 *   shadow   nothing. The policy decides for the cluster as it is, and what it would have done is
 *            logged. No right to write is needed.
 *   limited  one service, by one pod. Increases come before decreases; of several the one whose
 *            service asks for the largest share of what it has.
 *   full     everything that the shield allows.
 *
 * Every written change has passed the shield. In the stage limited the choice is made among the
 * changes that the shield allows of one service while the others stay as they are
 * (shield_limits()), so that leaving out the rest of a joint change cannot break the budget.
 *
 * A stage never changes by itself: whoever has read the report of one starts the next.
 */
#ifndef KARMA_TRANSFER_STAGE_H
#define KARMA_TRANSFER_STAGE_H

#include "core/base/config.h"
#include "core/shield/shield.h"

enum stage { STAGE_SHADOW, STAGE_LIMITED, STAGE_FULL };
extern const struct cfg_choice stage_choices[];

static inline const char *stage_name(enum stage stage)
{
    return stage == STAGE_SHADOW ? "shadow" : stage == STAGE_LIMITED ? "limited" : "full";
}

/* A controller's proposal on its way to the cluster. Arrays (n_services). */
struct gate {
    const struct shield *shield;
    enum stage stage;
    struct shield_history history;
    struct shield_verdict verdict; /* of the whole proposal */
    struct shield_verdict trial;   /* scratch */
    int32_t *proposed;             /* what came in, within the replica bounds or not */
    int32_t *allowed;              /* what the shield leaves of it */
    int32_t *written;              /* what the stage leaves of that */
    int32_t *least, *most;         /* scratch */
};

enum err gate_init(struct gate *g, struct arena *arena, const struct shield *shield,
                   enum stage stage) WARN_UNUSED;

/* g->allowed and g->written of a proposal (n_services) for what is seen. In shadow `allowed` is
 * what would have been written. */
void gate_decide(struct gate *g, const struct shield_view *v, const int32_t *proposed);

/* Before the next gate_decide(): what was really written, `written` or less of it. In shadow
 * nothing is ours, and what the cluster did meanwhile counts as if it were (moved, n_services):
 * else each step of its autoscaler would be somebody else's, and the cooldown after it would hide
 * the policy. NULL: not known. */
void gate_executed(struct gate *g, const int32_t *moved);

#endif
