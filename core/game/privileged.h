/* The privileged part: what a critic may be shown in training, and an actor never sees.
 *
 * A flood comes from outside, so nothing that is measured foretells it, and to a critic that sees
 * only what actors see the return of a decision is mostly noise. The advantage is the return minus
 * the critic's value, so this noise goes into every gradient of the policy. In training the
 * schedule of the episode is known. A critic that sees it explains the part of the return that
 * comes from the load and the faults; the policy gradient stays unbiased, because what is
 * subtracted does not depend on the action (asymmetric actor-critic: Pinto et al. 2017,
 * arXiv 1710.06542). Actors are what is deployed, and see what is measured.
 *
 * For a decision at time t, in this order (S services, columns near 0 in a quiet period):
 *
 *   load    8          offered load of [t - 15, t), [t, t + 15), ... up to t + 180 s, see
 *                      privileged_load_s: mean of legitimate + attack requests/s, an attack request
 *                      counted by the CPU that it needs; / workload.mean_rps, - 1
 *   faults  3 x 4      for [t, t + 30), [t + 30, t + 90), [t + 90, t + 180): CPU taken by noisy
 *                      neighbours / node, new slow-loris connections/s / mean_rps, attempts that
 *                      clients make on top of their own, probability that a scrape fails
 *   service 3 x 3 x S  for the same three spans, service after service: capacity, as the share of
 *                      max_replicas that the nominal load needs with the slowdown of that time;
 *                      crashes that a pod suffers (rate x length, and shares that crash together);
 *                      probability that a call to a callee is lost, mean over callees
 *
 * Faults are looked at in the middle of every 15 s. The schedule must reach PRIVILEGED_AHEAD_S
 * beyond the end of the episode (schedule_draw_ahead()): the value of the last state of a truncated
 * episode stands for what would have followed, so it must see as far as all others.
 *
 * Nothing here is part of a global state. It travels in arrays of its own (block.privileged,
 * learner_rows.privileged), and what acts is given a learner_view, which has no such member: code
 * of an actor cannot name it.
 */
#ifndef KARMA_GAME_PRIVILEGED_H
#define KARMA_GAME_PRIVILEGED_H

#include "core/game/env_setup.h"
#include "core/scenario/schedule.h"

enum { PRIVILEGED_AHEAD_S = 180, PRIVILEGED_LOADS = 8 };

/* Edges of the spans of the load, s from the decision on. */
extern const int privileged_load_s[PRIVILEGED_LOADS + 1];

/* P, floats of a privileged part. */
int privileged_columns(int n_services);

/* out (P) at now_s of an episode. ahead: its schedule, PRIVILEGED_AHEAD_S longer than the episode;
 * behind its end the last second's load goes on. */
void privileged_fill(float *out, const struct schedule *ahead, const struct env_setup *w,
                     double now_s);

/* Can all scenarios be drawn so far beyond the episode? ERR_CONFIG with a sentence if one might
 * have more events than a schedule holds, or if the twin that training plays in is one of a
 * recording without load, whose episodes follow no schedule. src_locs may be NULL. */
enum err privileged_check(const struct env_setup *w, const struct cfg *src_locs) WARN_UNUSED;

#endif
