/* Measured outcomes: sums and quotients of the columns of a state, unknown where one of the columns
 * is. See outcomes.h.
 *
 * Unknown is NaN inside this file. Sums, products and quotients of NaN are NaN, so most formulas
 * need no case of their own. Comparisons with NaN are false and fmin() and fmax() drop it;
 * therefore each function that compares tests isnan() first, or compares so that "false" leaves the
 * NaN in place. */
#include "core/plant/outcomes.h"

#include "core/plant/topology.h"

#include <math.h>

#define OUTCOME_INFO_(id, name, unit, doc) {name, unit, doc},
const struct outcome_info outcome_info[OUTCOMES] = {OUTCOME_LIST(OUTCOME_INFO_)};
#undef OUTCOME_INFO_

void outcome_set(struct plant_outcomes *o, enum plant_outcome i, double value)
{
    const unsigned bit = 1U << i;
    /* Infinity may come from a division by a count of 0 and is no measurement, either. */
    const bool known = isfinite(value);
    o->value[i] = known ? value : (double)NAN;
    o->known = known ? o->known | bit : o->known & ~bit;
}

/* ---- the state, NaN where unknown ---- */

/* A state with its ages (NULL: all known), read in the order of the topology. */
struct view {
    const float *state, *age;
    const struct topology *topology;
};

static double column(const struct view *v, int at)
{
    const bool known = v->age == NULL || isfinite(v->age[at]);
    return known ? (double)v->state[at] : (double)NAN;
}

static double of_service(const struct view *v, int service, enum service_feature f)
{
    return column(v, state_service_at(service, f));
}

static double of_front(const struct view *v, enum global_feature f)
{
    return column(v, state_global_at(v->topology->n_services, f));
}

static double sum_of(const struct view *v, enum service_feature f)
{
    double sum = 0.0;
    for (int i = 0; i < v->topology->n_services; i++) {
        sum += of_service(v, i, f);
    }
    return sum;
}

/* ---- requests ---- */

/* Answered / resolved calls of the entry services; 1 if none was resolved. */
static double entries_success(const struct view *v)
{
    double succeeded = 0.0, errors = 0.0;
    for (int i = 0; i < v->topology->n_entries; i++) {
        succeeded += of_service(v, v->topology->entries[i], SF_SUCCEEDED);
        errors += of_service(v, v->topology->entries[i], SF_ERRORS);
    }
    const double resolved = succeeded + errors;
    /* The second condition lets a NaN through to the quotient. */
    return resolved > 0.0 || isnan(resolved) ? succeeded / resolved : 1.0;
}

/* Unweighted mean over the entry services. Each latency is that of calls at the service, which for
 * an entry includes the synchronous calls below it. */
static double entries_latency(const struct view *v)
{
    double sum = 0.0;
    for (int i = 0; i < v->topology->n_entries; i++) {
        sum += of_service(v, v->topology->entries[i], SF_LATENCY);
    }
    return sum / v->topology->n_entries;
}

/* The first if it is known, else the second. */
static double either(double first, double second)
{
    return isnan(first) ? second : first;
}

static void set_requests(struct plant_outcomes *out, const struct view *v)
{
    outcome_set(out, OUTCOME_RECEIVED, of_front(v, GF_ENTRY_30S));
    outcome_set(out, OUTCOME_SUCCESS, either(of_front(v, GF_ANSWERED), entries_success(v)));
    outcome_set(out, OUTCOME_LATENCY, either(of_front(v, GF_RESPONSE), entries_latency(v)));
    outcome_set(out, OUTCOME_SLO_ATTAINMENT,
                (double)NAN); /* a state holds means, no distribution */
    outcome_set(out, OUTCOME_WAITING, sum_of(v, SF_QUEUE));
}

/* ---- availability ---- */

/* 1 or 0; NaN if it is not known how many pods are ready. */
static double has_ready(const struct view *v, int service)
{
    const double ready = of_service(v, service, SF_READY);
    return isnan(ready) ? ready : ready >= 1.0 ? 1.0 : 0.0;
}

/* The same, and errors are fewer than answers, where there are errors. */
static double is_available(const struct view *v, int service)
{
    const double ready = has_ready(v, service), errors = of_service(v, service, SF_ERRORS);
    const double succeeded = of_service(v, service, SF_SUCCEEDED);
    if (isnan(ready) || isnan(errors) || isnan(succeeded)) {
        return (double)NAN;
    }
    /* Error ratio errors / (errors + succeeded) < 1/2 in the definition of an available service is
     * the same as errors < succeeded, and needs no division. No call at all is no error. */
    return errors > 0.0 && errors >= succeeded ? 0.0 : ready;
}

static void set_availability(struct plant_outcomes *out, const struct view *v)
{
    const struct topology *t = v->topology;
    double entries = 0.0, services = 0.0;
    for (int i = 0; i < t->n_entries; i++) {
        entries += has_ready(v, t->entries[i]);
    }
    for (int i = 0; i < t->n_services; i++) {
        services += is_available(v, i);
    }
    outcome_set(out, OUTCOME_ENTRY, entries / t->n_entries);
    outcome_set(out, OUTCOME_SERVICE, services / t->n_services);
}

/* ---- pods and CPU ---- */

/* CPU requests of existing pods, at most what the node has: pods beyond it cannot be scheduled. NaN
 * passes the comparison. */
static double requested(const struct view *v)
{
    const struct topology_cfg *t = v->topology->cfg;
    double sum = 0.0;
    for (int i = 0; i < t->n_services; i++) {
        sum += t->services[i].cpu_m * of_service(v, i, SF_DEPLOYED);
    }
    return sum > t->node_cpu_m ? t->node_cpu_m : sum;
}

/* min(1, target / utilisation) of a service; NaN where CPU or pods are unknown. */
static double headroom_of(const struct view *v, int service, double target)
{
    const double requested_m = v->topology->cfg->services[service].cpu_m;
    const double used_m = of_service(v, service, SF_CPU);
    /* utilisation = used / requested, so target / utilisation = aim / used. The form below needs no
     * division by a request of 0, which a service without pods has: then 0 > 0 is false, and the
     * result 1. */
    const double aim_m = target * requested_m * of_service(v, service, SF_DEPLOYED);
    if (isnan(used_m) || isnan(aim_m)) {
        return (double)NAN;
    }
    return used_m > aim_m ? aim_m / used_m : 1.0;
}

static double headroom(const struct view *v, double target)
{
    double sum = 0.0;
    for (int i = 0; i < v->topology->n_services; i++) {
        sum += headroom_of(v, i, target);
    }
    return sum / v->topology->n_services;
}

void outcomes_of_state(struct plant_outcomes *out, const float *state, const float *age,
                       const struct topology *topology, const struct plant_cfg *cfg)
{
    const struct view v = {.state = state, .age = age, .topology = topology};
    out->known = 0;
    set_requests(out, &v);
    set_availability(out, &v);
    outcome_set(out, OUTCOME_PODS, sum_of(&v, SF_DEPLOYED));
    outcome_set(out, OUTCOME_PODS_FAILED, sum_of(&v, SF_FAILED_PODS));
    outcome_set(out, OUTCOME_REQUESTED, requested(&v));
    outcome_set(out, OUTCOME_USED, sum_of(&v, SF_CPU));
    outcome_set(out, OUTCOME_HEADROOM, headroom(&v, cfg->headroom_target));
}

void plant_outcomes(struct plant_outcomes *out, const struct plant *p, int lid)
{
    if (p->ops->outcomes != NULL) {
        p->ops->outcomes(out, p, lid);
        return;
    }
    const float *age = p->ops->age != NULL ? p->ops->age(p, lid) : NULL;
    outcomes_of_state(out, plant_state(p, lid), age, p->topology, p->cfg);
}

void outcomes_counters(struct plant_truth *out, const struct plant_outcomes *o, double period_s)
{
    const double *v = o->value;
    /* Rates become counts of a period. A failed request is one that was resolved without an answer,
     * and success = answered / resolved; with requests in flight neglected, received = resolved. */
    const double received = v[OUTCOME_RECEIVED] * period_s;
    const double answered = received * v[OUTCOME_SUCCESS];
    *out = (struct plant_truth){
        .received = received,
        .answered = answered,
        .compliant = received * v[OUTCOME_SLO_ATTAINMENT],
        .failed = received - answered,
        .latency_sum_ms = answered * v[OUTCOME_LATENCY],
        .received_legit = received,
        .answered_legit = answered,
        .inflight = (double)NAN,
        .waiting_mean = v[OUTCOME_WAITING],
        .pods_deployed_mean = v[OUTCOME_PODS],
        .pods_failed_mean = v[OUTCOME_PODS_FAILED],
        .entry_available_mean = v[OUTCOME_ENTRY],
        .service_available_mean = v[OUTCOME_SERVICE],
        .requested_m_mean = v[OUTCOME_REQUESTED],
        .used_m_mean = v[OUTCOME_USED],
        .retries = (double)NAN,
    };
}
