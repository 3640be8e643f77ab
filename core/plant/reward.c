/* The reward of one decision period, term by term; what a term means when there was nothing to
 * count is part of its definition and stands in the header. */
#include "core/plant/reward.h"

#include "core/plant/topology.h"

#include <math.h>

/* NaN becomes 0 here (fmax() drops it): exact counters are never NaN, and measured ones go through
 * known01(). */
static double clamp01(double x)
{
    return fmin(1.0, fmax(0.0, x));
}

/* n / of, 1 if there was nothing. */
static double share(double n, double of)
{
    return of > 0.0 ? clamp01(n / of) : 1.0;
}

/* Mean latency over its limit, at most 1. Nothing answered: the worst value if requests failed, the
 * best if there were none. */
static double latency_ratio(const struct plant_truth *t, double latency_max_ms)
{
    if (t->answered > 0.0) {
        return clamp01(t->latency_sum_ms / t->answered / latency_max_ms);
    }
    return t->failed > 0.0 ? 1.0 : 0.0;
}

/* ---- the chosen terms ---- */

static const unsigned terms_of_or = 1U << REWARD_SUCCESS | 1U << REWARD_PODS |
                                    1U << REWARD_LATENCY | 1U << REWARD_ENTRY |
                                    1U << REWARD_TRAFFIC;

static unsigned chosen_terms(const struct plant_cfg *cfg)
{
    unsigned chosen = cfg->n_reward_terms == 0 ? terms_of_or : 0;
    for (int i = 0; i < cfg->n_reward_terms; i++) {
        chosen |= 1U << cfg->reward_terms[i];
    }
    return chosen;
}

static double term_of(const struct reward_terms *r, enum reward_term i)
{
    const double terms[REWARD_TERMS] = {
        [REWARD_SUCCESS] = r->sr,  [REWARD_PODS] = r->pod,    [REWARD_LATENCY] = r->latency,
        [REWARD_ENTRY] = r->entry, [REWARD_TRAFFIC] = r->tcr, [REWARD_HEADROOM] = r->headroom};
    return terms[i];
}

double reward_at(const struct reward_terms *r, const struct plant_cfg *cfg, double cost_weight)
{
    const double achieved = cfg->reward == REWARD_SLO ? r->slo : r->resilience;
    /* With weight 0 the cost is not multiplied: an unknown cost (NaN) must not make the reward
     * unknown. */
    return achieved - (cost_weight > 0.0 ? cost_weight * r->cost : 0.0);
}

/* Mean of the chosen terms, in their order, and the reward. */
static void sum_up(struct reward_terms *r, const struct plant_cfg *cfg)
{
    const unsigned chosen = chosen_terms(cfg);
    /* `chosen` is a set: the order in which the configuration lists terms changes no bit of the
     * sum, which runs in the order of enum reward_term. At least one term is chosen, so the weight
     * is finite. */
    const double weight = 1.0 / __builtin_popcount(chosen);
    r->resilience = 0.0;
    for (int i = 0; i < REWARD_TERMS; i++) {
        if ((chosen >> i & 1U) != 0) {
            r->resilience += weight * term_of(r, (enum reward_term)i);
        }
    }
    r->reward = reward_at(r, cfg, cfg->cost_weight);
}

void reward_of(struct reward_terms *out, const struct plant_truth *t, const struct plant_cfg *cfg,
               double node_cpu_m, double nominal_rps)
{
    struct reward_terms r = {
        .sr = share(t->answered, t->answered + t->failed),
        .pod = t->pods_deployed_mean > 0.0
                   ? 1.0 - clamp01(t->pods_failed_mean / t->pods_deployed_mean)
                   : 0.0,
        .latency = 1.0 - latency_ratio(t, cfg->latency_max_ms),
        .entry = clamp01(t->entry_available_mean),
        .tcr = share(t->answered_legit, t->received_legit),
        .headroom = (double)NAN,
        .cost = t->requested_m_mean / node_cpu_m,
        .slo = 1.0 - (t->received - t->compliant) / (nominal_rps * cfg->period_s),
    };
    sum_up(&r, cfg);
    *out = r;
}

/* ---- of measured outcomes ---- */

/* clamp01() that leaves what is unknown unknown. */
static double known01(double x)
{
    return isnan(x) ? x : clamp01(x);
}

/* 1 - failed / existing pods; 0 without pods. */
static double measured_pods(const double *v)
{
    const double pods = v[OUTCOME_PODS], failed = v[OUTCOME_PODS_FAILED];
    /* pods = 0 is known and means that nothing answers. The second condition lets NaN through. */
    return pods > 0.0 || isnan(pods) ? 1.0 - known01(failed / pods) : 0.0;
}

/* A latency of 0 says that nothing was answered: bad if something failed, good if nothing was asked
 * for. `success` tells the two apart; without it the term is unknown. */
static double measured_latency(const double *v, double latency_max_ms)
{
    const double latency_ms = v[OUTCOME_LATENCY], success = v[OUTCOME_SUCCESS];
    if (latency_ms == 0.0) {
        return isnan(success) ? success : success < 1.0 ? 0.0 : 1.0;
    }
    return 1.0 - known01(latency_ms / latency_max_ms);
}

void reward_of_outcomes(struct reward_terms *out, const struct plant_outcomes *o,
                        const struct plant_cfg *cfg, double node_cpu_m)
{
    const double *v = o->value;
    struct reward_terms r = {
        .sr = known01(v[OUTCOME_SUCCESS]),
        .pod = measured_pods(v),
        .latency = measured_latency(v, cfg->latency_max_ms),
        .entry = known01(v[OUTCOME_ENTRY]),
        .tcr = known01(v[OUTCOME_SUCCESS]),
        .headroom = known01(v[OUTCOME_HEADROOM]),
        .cost = v[OUTCOME_REQUESTED] / node_cpu_m,
        .slo = (double)NAN,
    };
    sum_up(&r, cfg);
    *out = r;
}

/* ---- of a plant ---- */

void reward_of_plant(struct reward_terms *out, struct plant_truth *counters, const struct plant *p,
                     int lid)
{
    const struct plant_truth *truth = plant_truth(p, lid);
    const double node_cpu_m = p->topology->cfg->node_cpu_m;
    const bool exact = truth != NULL && p->cfg->reward_from == REWARD_EXACT;
    struct plant_outcomes measured;
    if (exact) {
        reward_of(out, truth, p->cfg, node_cpu_m, p->nominal_rps);
    } else {
        plant_outcomes(&measured, p, lid);
        reward_of_outcomes(out, &measured, p->cfg, node_cpu_m);
    }
    /* A plant with exact counters reports them even if its reward is measured. Without them the
     * reward was measured, too, so `measured` has been filled above. */
    if (truth != NULL) {
        *counters = *truth;
    } else {
        outcomes_counters(counters, &measured, p->cfg->period_s);
    }
}

static const char *const term_names[REWARD_TERMS] = {"success", "pods",    "latency",
                                                     "entry",   "traffic", "headroom"};

const char *reward_unknown(const struct reward_terms *r, const struct plant_cfg *cfg)
{
    const unsigned chosen = chosen_terms(cfg);
    for (int i = 0; i < REWARD_TERMS; i++) {
        if ((chosen >> i & 1U) != 0 && isnan(term_of(r, (enum reward_term)i))) {
            return term_names[i];
        }
    }
    return cfg->cost_weight > 0.0 && isnan(r->cost) ? "cost" : NULL;
}

/* The first outcome of a term that is not known; OUTCOMES: none. needs[term] & ~known are the
 * missing ones, as a set of bits; the loop finds the lowest. */
static int missing_outcome(enum reward_term term, unsigned known)
{
    static const unsigned needs[REWARD_TERMS] = {[REWARD_SUCCESS] = 1U << OUTCOME_SUCCESS,
                                                 [REWARD_PODS] =
                                                     1U << OUTCOME_PODS | 1U << OUTCOME_PODS_FAILED,
                                                 [REWARD_LATENCY] = 1U << OUTCOME_LATENCY,
                                                 [REWARD_ENTRY] = 1U << OUTCOME_ENTRY,
                                                 [REWARD_TRAFFIC] = 1U << OUTCOME_SUCCESS,
                                                 [REWARD_HEADROOM] = 1U << OUTCOME_HEADROOM};
    int i = 0;
    while (i < OUTCOMES && ((needs[term] & ~known) >> i & 1U) == 0) {
        i++;
    }
    return i;
}

enum err reward_check(const struct plant_cfg *cfg, bool exact, unsigned known, const char *who,
                      const struct cfg *src_locs)
{
    if (cfg->reward_from == REWARD_EXACT) {
        return exact ? ERR_OK
                     : plant_cfg_error(src_locs, "plant.reward_from",
                                       "is exact, but %s holds no exact counters; set it to "
                                       "measured (--set plant.reward_from=measured)",
                                       who);
    }
    /* A sum with one NaN is NaN, so one missing outcome would make every reward NaN. That is
     * refused before the training starts, with the first term that needs it. */
    const unsigned chosen = chosen_terms(cfg);
    for (int i = 0; i < REWARD_TERMS; i++) {
        const int missing = missing_outcome((enum reward_term)i, known);
        if ((chosen >> i & 1U) != 0 && missing < OUTCOMES) {
            return plant_cfg_error(src_locs, "plant.reward_terms",
                                   "has '%s', which needs the outcome '%s' (%s), and %s does not "
                                   "tell it; leave the term out of plant.reward_terms",
                                   term_names[i], outcome_info[missing].name,
                                   outcome_info[missing].doc, who);
        }
    }
    if (cfg->cost_weight > 0.0 && (known >> OUTCOME_REQUESTED & 1U) == 0) {
        return plant_cfg_error(src_locs, "plant.cost_weight",
                               "is %g, but %s does not tell the CPU requested; set it to 0",
                               cfg->cost_weight, who);
    }
    return ERR_OK;
}
