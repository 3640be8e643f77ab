/* The need: the pods that a service takes for the load that is measured.
 *
 * The load of every service follows from the entry rate, so a service is staffed before its own
 * queue shows. ff (core/controllers/ff.h) plans by the same two functions.
 */
#ifndef KARMA_GAME_NEED_H
#define KARMA_GAME_NEED_H

/* Requests/s at the entries: the larger of the means over 5 s and 10 s. A rise counts at once, a
 * dip only when the longer mean falls. state: measured (core/plant/schema.h). */
double need_rate(const float *state, int n_services);

/* The largest load rho of a pod that answers pod_rps calls/s at full use. As an M/G/1
 * processor-sharing queue its mean response is
 *
 *     (1 / mu) / (1 - rho) <= response_s    if and only if    rho <= 1 - 1 / (mu response_s)
 *
 * so rho is the smaller of that bound and `utilisation`, but at least 0.05, which stands for bounds
 * near or below 0 that no number of pods meets. */
double need_load_max(double pod_rps, double utilisation, double response_s);

#endif
