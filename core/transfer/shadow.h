/* The report of a run of `karma serve`: what the policy would have done, beside what the cluster
 * did.
 *
 * What the cluster did in a decision period is the change of `desired` from one decision to the
 * next, whoever made it: its autoscaler, or a person. The policy decides each time for the cluster
 * as it is, not as it would be had the policy decided before: a report compares single decisions,
 * and says nothing of where the policy would have led the cluster (karma eval and karma twin do).
 */
#ifndef KARMA_TRANSFER_SHADOW_H
#define KARMA_TRANSFER_SHADOW_H

#include "core/transfer/drift.h"
#include "core/transfer/effect.h"
#include "core/transfer/stage.h"

/* Of one service. */
struct shadow_service {
    int64_t n, agree;                 /* compared decisions; of these with the same direction */
    int64_t ours, theirs, both, same; /* decisions with a change: of the policy, of the cluster, of
                                         both, of both in the same direction */
    double distance;             /* sum of |change of the policy - change of the cluster|, pods */
    int64_t flips, flips_theirs; /* changes of direction */
    int32_t direction, direction_theirs; /* of the last change */
    int64_t altered;                     /* decisions in which the shield altered the proposal */
    int64_t reasons[SHIELD_REASONS];
    double desired, wanted; /* sums: pods asked for; pods the policy would have asked for */
};
struct shadow {
    const struct topology *topology;
    struct shadow_service *services; /* (N) */
    int64_t n_decisions, n_blind;    /* blind: no measurement */
    double hours;
};

enum err shadow_init(struct shadow *s, struct arena *arena,
                     const struct topology *topology) WARN_UNUSED;

/* A decision: of a gate, in a state; moved (N): how the cluster changed until the next decision,
 * NULL: not known. */
void shadow_add(struct shadow *s, const struct gate *g, const float *state, const int32_t *moved,
                bool blind);

/* Append the report. effect, fallback: NULL: there is none. */
enum err shadow_print(struct buf *out, const struct shadow *s, const struct fallback *fallback,
                      const struct effect *effect, enum stage stage,
                      struct arena *scratch) WARN_UNUSED;

#endif
