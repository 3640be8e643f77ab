/* What the files of the shield share.
 *
 *   limits.c    section `shield`, and compiling it for a topology
 *   health.c    freshness: what is wrong with what is seen of a service
 *   history.c   what is remembered of a run
 *   capacity.c  how many pods the measured load needs
 *   shield.c    the invariants as intervals, their projection, the joint budget
 *
 * Private to core/shield.
 */
#ifndef KARMA_SHIELD_SHIELD_PARTS_H
#define KARMA_SHIELD_SHIELD_PARTS_H

#include "core/plant/schema.h"
#include "core/shield/shield.h"

/* Largest number of replicas that is believed; bounds of an interval that has none. */
enum { SHIELD_PODS_MAX = 1000000, SHIELD_ANY = 1 << 30 };

static inline double shield_value(const struct shield_view *v, int service, enum service_feature f)
{
    return (double)v->state[state_service_at(service, f)];
}
static inline double shield_global(const struct shield *s, const struct shield_view *v,
                                   enum global_feature f)
{
    return (double)v->state[state_global_at(s->n_services, f)];
}

/* ---- freshness (health.c) ---- */

/* Whether `desired` is known, and then its value. */
bool shield_desired(int *desired, const struct shield *s, const struct shield_view *v, int service);

/* Why a service is blind: the first of missing, implausible, stale, frozen; SHIELD_REASONS: it is
 * not. The history has observed v. */
enum shield_reason shield_blindness(const struct shield *s, const struct shield_history *h,
                                    const struct shield_view *v, int service);

/* Why a service that is not blind may not shrink: partial, unready; SHIELD_REASONS: it may. */
enum shield_reason shield_incomplete(const struct shield_view *v, int service, int desired);

/* ---- capacity (capacity.c) ---- */

/* Bounds of the rate at the entries: now, and over the actuation lag. */
struct shield_load {
    double now_rps, lag_rps;
};
void shield_load(struct shield_load *out, const struct shield *s, const struct shield_view *v);

/* The least number of replicas of a service that is not blind, and why. */
struct shield_need {
    int replicas;
    enum shield_reason why;
};
struct shield_need shield_need_of(const struct shield *s, const struct shield_view *v,
                                  const struct shield_load *load, int service, int desired);

#endif
