/* What all plants and controllers agree on: the table of plant_cfg and its cross-checks; the
 * refusal of a call that a plant has no capability for; the names of the exact counters. */
#include "core/plant/plant.h"

#include "core/base/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const struct cfg_choice reward_sources[] = {
    {"exact", REWARD_EXACT, "exact counters of the period, which only a simulator has"},
    {"measured", REWARD_MEASURED, "what a monitoring system shows"},
    {NULL, 0, NULL},
};
static const struct cfg_choice reward_kinds[] = {
    {"resilience", REWARD_RESILIENCE, "mean of reward_terms, the paper's OR"},
    {"slo", REWARD_SLO, "requests answered in time, as slo_attainment counts them"},
    {NULL, 0, NULL},
};
static const struct cfg_choice reward_term_choices[] = {
    {"success", REWARD_SUCCESS, "answered / resolved requests"},
    {"pods", REWARD_PODS, "pods that have not failed"},
    {"latency", REWARD_LATENCY, "response time below latency_max_ms"},
    {"entry", REWARD_ENTRY, "available entries"},
    {"traffic", REWARD_TRAFFIC, "legitimate requests answered"},
    {"headroom", REWARD_HEADROOM, "CPU utilisation below headroom_target; measured only"},
    {NULL, 0, NULL},
};

const struct cfg_field plant_fields[] = {
    CFG_DOUBLE(struct plant_cfg, period_s, "15", 1, 3600, "s", CFG_RESULT,
               "decision period of every controller; a multiple of scrape_s"),
    CFG_DOUBLE(struct plant_cfg, scrape_s, "5", 1, 60, "s", CFG_RESULT,
               "interval of the monitoring system"),
    CFG_DOUBLE(struct plant_cfg, window_s, "30", 1, 3600, "s", CFG_RESULT,
               "window of measured rates and means; a multiple of scrape_s"),
    CFG_DOUBLE(struct plant_cfg, hpa_window_s, "15", 1, 3600, "s", CFG_RESULT,
               "window of the CPU that the Kubernetes autoscaler sees, 15 s in metrics-server; a "
               "multiple of scrape_s"),
    CFG_DOUBLE(struct plant_cfg, lag_s, "7.5", 0, 600, "s", CFG_RESULT,
               "age of the newest scrape at a decision"),
    CFG_DOUBLE(struct plant_cfg, latency_max_ms, "200", 1, 600000, "ms", CFG_RESULT,
               "a request answered within this time is compliant"),
    CFG_DOUBLE(struct plant_cfg, timeout_s, "2", 0.001, 600, "s", CFG_RESULT,
               "time after which clients give up"),
    CFG_DOUBLE(struct plant_cfg, cost_weight, "0.2", 0, 10, "", CFG_RESULT,
               "weight of requested / node CPU in the reward; 0 = the paper's reward"),
    CFG_DOUBLE(struct plant_cfg, attack_requests, "0.5", 0, 1000, "", CFG_RESULT,
               "budget of a learned attacker: requests in an episode / legitimate ones"),
    CFG_DOUBLE(struct plant_cfg, attack_crashes, "2", 0, 1000, "", CFG_RESULT,
               "budget of a learned attacker: crashes a pod under it would suffer in an episode"),
    CFG_DOUBLE(struct plant_cfg, attack_connections, "0.1", 0, 1000, "", CFG_RESULT | CFG_LATER,
               "budget of a learned attacker: slow-loris connections in an episode / legitimate "
               "requests"),
    CFG_DOUBLE(struct plant_cfg, attack_work, "0.3", 0, 1000, "", CFG_RESULT | CFG_LATER,
               "budget of a learned attacker: CPU that its requests need beyond that of legitimate "
               "ones in an episode / CPU of the legitimate requests"),
    CFG_DOUBLE(struct plant_cfg, attack_cap, "0.87", 0, 100, "", CFG_RESULT | CFG_LATER,
               "greatest offered load / capacity at max_replicas up to which a learned attacker "
               "may send requests; 0 = no limit"),
    CFG_INT(struct plant_cfg, alpha, "3", 1, 1000, "", CFG_RESULT,
            "largest change of a service's replicas by one defender action"),
    CFG_DOUBLE(struct plant_cfg, headroom_target, "0.7", 0.01, 1, "", CFG_RESULT | CFG_LATER,
               "CPU used / requested up to which a service has full headroom (outcome `headroom`)"),
    CFG_ENUM(struct plant_cfg, reward, "resilience", reward_kinds, CFG_RESULT | CFG_LATER,
             "what the reward measures, before the cost"),
    CFG_ENUM(struct plant_cfg, reward_from, "exact", reward_sources, CFG_RESULT | CFG_LATER,
             "what the reward is computed from"),
    CFG_LIST_ENUM(struct plant_cfg, reward_terms, n_reward_terms, int, reward_term_choices,
                  "[success, pods, latency, entry, traffic]", 1, REWARD_TERMS,
                  CFG_RESULT | CFG_LATER,
                  "terms whose mean resilience is; the default is the paper's OR"),
    CFG_END,
};

enum err plant_cfg_error(const struct cfg *src_locs, const char *key, const char *fmt, ...)
{
    char sentence[1200];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    if (src_locs != NULL) {
        return cfg_error(src_locs, key, "%s", sentence);
    }
    log_error("%s: %s", key, sentence);
    return ERR_CONFIG;
}

/* Numbers without a finite binary form miss a whole quotient by a rounding error (3.3 / 1.1 < 3),
 * so it is compared with a tolerance, as scrapes are counted with one (core/cluster/scrape.c). */
static bool is_multiple(double x, double of)
{
    const double n = x / of;
    return n > 0.5 && fabs(n - round(n)) <= 1e-9 * n;
}

static enum err check_multiple(const struct cfg *src_locs, const char *key, double s,
                               double scrape_s)
{
    return is_multiple(s, scrape_s)
               ? ERR_OK
               : plant_cfg_error(src_locs, key,
                                 "is %g s, not a multiple of scrape_s (%g s); change one of them",
                                 s, scrape_s);
}

enum err plant_cfg_check(const struct plant_cfg *cfg, const struct cfg *src_locs)
{
    if (cfg->period_s != floor(cfg->period_s)) {
        return plant_cfg_error(src_locs, "plant.period_s",
                               "is %g s, but loads are held per second; give whole seconds",
                               cfg->period_s);
    }
    /* Rates and means are differences of the counters of two scrapes, so a window that is no
     * multiple of the interval would begin or end between scrapes. */
    TRY(check_multiple(src_locs, "plant.period_s", cfg->period_s, cfg->scrape_s));
    TRY(check_multiple(src_locs, "plant.window_s", cfg->window_s, cfg->scrape_s));
    TRY(check_multiple(src_locs, "plant.hpa_window_s", cfg->hpa_window_s, cfg->scrape_s));
    if (cfg->reward == REWARD_SLO && cfg->reward_from == REWARD_MEASURED) {
        return plant_cfg_error(src_locs, "plant.reward",
                               "is slo, which is computed from exact counters only; set "
                               "plant.reward_from to exact or plant.reward to resilience");
    }
    for (int i = 0; i < cfg->n_reward_terms; i++) {
        for (int k = 0; k < i; k++) {
            if (cfg->reward_terms[k] == cfg->reward_terms[i]) {
                return plant_cfg_error(src_locs, "plant.reward_terms",
                                       "has '%s' twice; leave one out",
                                       cfg_choice_name(reward_term_choices, cfg->reward_terms[i]));
            }
        }
    }
    for (int i = 0; i < cfg->n_reward_terms && cfg->reward_from == REWARD_EXACT; i++) {
        if (cfg->reward_terms[i] == REWARD_HEADROOM) {
            return plant_cfg_error(src_locs, "plant.reward_terms",
                                   "has 'headroom', which no exact counter holds; set "
                                   "plant.reward_from to measured, or leave the term out");
        }
    }
    if (cfg->latency_max_ms > 1000.0 * cfg->timeout_s) {
        return plant_cfg_error(src_locs, "plant.latency_max_ms",
                               "is %g ms, beyond the time-out (timeout_s, %g s): late answers "
                               "could never be seen; lower it or raise the time-out",
                               cfg->latency_max_ms, cfg->timeout_s);
    }
    return ERR_OK;
}

/* ---- what is asked first ---- */

enum err plant_reset(struct plant *p, int lid, const struct episode_id *id,
                     const struct schedule *schedule, int horizon)
{
    if (schedule == NULL && plant_can(p, PLANT_DRIVEN)) {
        log_error("the plant '%s' was to start an episode without a schedule of loads and faults; "
                  "it needs one (core/scenario/schedule.h)",
                  p->ops->kind);
        return ERR_CONFIG;
    }
    return p->ops->reset(p, lid, id, schedule, horizon);
}

enum err plant_act(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                   const uint8_t *active)
{
    if (attack != NULL && !plant_can(p, PLANT_ATTACKED)) {
        log_error("a learned attacker was to act in the plant '%s', which has no load of an "
                  "attacker; let it act on the simulator",
                  p->ops->kind);
        return ERR_CONFIG;
    }
    /* A plant without this operation carries the change out in pass(), which gets the same
     * arguments. */
    return p->ops->act != NULL ? p->ops->act(p, delta, attack, active) : ERR_OK;
}

double plant_age_s(const struct plant *p, int lid, int column)
{
    return p->ops->age != NULL ? (double)p->ops->age(p, lid)[column] : p->cfg->lag_s;
}

/* ---- the truth ---- */

const char *const plant_truth_names[PLANT_TRUTHS] = {"received",
                                                     "answered",
                                                     "compliant",
                                                     "failed",
                                                     "latency_sum_ms",
                                                     "received_legit",
                                                     "answered_legit",
                                                     "inflight",
                                                     "waiting_mean",
                                                     "pods_deployed_mean",
                                                     "pods_failed_mean",
                                                     "entry_available_mean",
                                                     "service_available_mean",
                                                     "requested_m_mean",
                                                     "used_m_mean",
                                                     "retries"};
_Static_assert(PLANT_TRUTHS == 16, "a name for each counter");
