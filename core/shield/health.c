/* Freshness: what of a service's values can be believed.
 *
 * A service is judged by its own values and by the entry rates, because both say how much capacity
 * it needs. The first of missing, implausible, stale, frozen is the cause. */
#include "core/shield/shield_parts.h"

#include <math.h>

/* What is read. Rates have no upper limit but that of a believable number; pods have a smaller one.
 * DESIRED stands apart: without it there is no write at all. */
static const enum service_feature read_pods[] = {SF_DEPLOYED, SF_FAILED_PODS, SF_READY,
                                                 SF_HPA_MISSING};
static const enum service_feature read_values[] = {SF_QUEUE, SF_CPU, SF_RECEIVED};
static const enum global_feature read_entry[] = {GF_ENTRY_30S, GF_ENTRY_10S, GF_ENTRY_DIFF};
static const double VALUE_MAX = 1e12;

#define N_OF(list) ((int)(sizeof(list) / sizeof *(list)))

void shield_reads(uint8_t *columns, const struct topology *topology)
{
    for (int s = 0; s < topology->n_services; s++) {
        columns[state_service_at(s, SF_DESIRED)] = 1;
        for (int i = 0; i < N_OF(read_pods); i++) {
            columns[state_service_at(s, read_pods[i])] = 1;
        }
        for (int i = 0; i < N_OF(read_values); i++) {
            columns[state_service_at(s, read_values[i])] = 1;
        }
    }
    for (int i = 0; i < N_OF(read_entry); i++) {
        columns[state_global_at(topology->n_services, read_entry[i])] = 1;
    }
}

/* The more serious of two causes: the lower number; SHIELD_REASONS is none. */
static enum shield_reason worse(enum shield_reason a, enum shield_reason b)
{
    return a < b ? a : b;
}

/* Comparisons with NaN are false: each condition is written so that NaN fails it. */
static enum shield_reason judge(const struct shield *s, const struct shield_view *v, int column,
                                double least, double most)
{
    const double x = (double)v->state[column];
    const double age = v->age != NULL ? (double)v->age[column] : s->lag_s;
    if (isnan(x) || !(age >= 0.0 && age < HUGE_VAL)) {
        return SHIELD_REASON_MISSING;
    }
    if (!(x >= least && x <= most)) {
        return SHIELD_REASON_IMPLAUSIBLE;
    }
    return age <= s->cfg->stale_s ? SHIELD_REASONS : SHIELD_REASON_STALE;
}

static enum shield_reason judge_desired(const struct shield *s, const struct shield_view *v,
                                        int service)
{
    const int column = state_service_at(service, SF_DESIRED);
    const enum shield_reason why = judge(s, v, column, 0.0, SHIELD_PODS_MAX);
    const double x = (double)v->state[column];
    return why == SHIELD_REASONS && x != floor(x) ? SHIELD_REASON_IMPLAUSIBLE : why;
}

bool shield_desired(int *desired, const struct shield *s, const struct shield_view *v, int service)
{
    const bool known = judge_desired(s, v, service) == SHIELD_REASONS;
    *desired = known ? (int)shield_value(v, service, SF_DESIRED) : 0;
    return known;
}

static enum shield_reason judge_values(const struct shield *s, const struct shield_view *v,
                                       int service)
{
    enum shield_reason why = judge_desired(s, v, service);
    for (int i = 0; i < N_OF(read_pods); i++) {
        why =
            worse(why, judge(s, v, state_service_at(service, read_pods[i]), 0.0, SHIELD_PODS_MAX));
    }
    for (int i = 0; i < N_OF(read_values); i++) {
        why = worse(why, judge(s, v, state_service_at(service, read_values[i]), 0.0, VALUE_MAX));
    }
    for (int i = 0; i < N_OF(read_entry); i++) {
        const double least = read_entry[i] == GF_ENTRY_DIFF ? -VALUE_MAX : 0.0;
        why = worse(why,
                    judge(s, v, state_global_at(s->n_services, read_entry[i]), least, VALUE_MAX));
    }
    return why;
}

/* More pods ready or failed than there are. Called with plausible numbers only. */
static bool contradictory(const struct shield_view *v, int service)
{
    const double deployed = shield_value(v, service, SF_DEPLOYED);
    return shield_value(v, service, SF_READY) > deployed ||
           shield_value(v, service, SF_FAILED_PODS) > deployed;
}

static bool frozen(const struct shield *s, const struct shield_history *h, int service)
{
    const struct shield_past *all = shield_past(h);
    const double limit = s->cfg->frozen_s;
    return limit > 0.0 && (all->now_s - all->entry_same_s >= limit ||
                           all->now_s - shield_service_past(h, service)->same_s >= limit);
}

enum shield_reason shield_blindness(const struct shield *s, const struct shield_history *h,
                                    const struct shield_view *v, int service)
{
    enum shield_reason why = judge_values(s, v, service);
    if (isnan(shield_past(h)->now_s)) { /* no time yet: nothing that lasts can be judged */
        why = worse(why, SHIELD_REASON_MISSING);
    }
    if (why > SHIELD_REASON_IMPLAUSIBLE && contradictory(v, service)) {
        why = SHIELD_REASON_IMPLAUSIBLE;
    }
    return why == SHIELD_REASONS && frozen(s, h, service) ? SHIELD_REASON_FROZEN : why;
}

enum shield_reason shield_incomplete(const struct shield_view *v, int service, int desired)
{
    if (shield_value(v, service, SF_HPA_MISSING) > 0.0) {
        return SHIELD_REASON_PARTIAL;
    }
    const bool unready = shield_value(v, service, SF_READY) < desired ||
                         shield_value(v, service, SF_FAILED_PODS) > 0.0;
    return unready ? SHIELD_REASON_UNREADY : SHIELD_REASONS;
}
