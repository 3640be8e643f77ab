/* One account per episode: sums over decision periods, turned into metrics at the end.
 *
 * Everything is a sum until episode_metrics_finish() divides, once. So a quotient of an episode
 * weighs periods by their requests, and an unknown value (NaN) in one period makes exactly the
 * metrics unknown that contain it. */
#include "core/plant/episode_metrics.h"

#include <math.h>
#include <string.h>

#define METRIC_INFO_(name, unit, doc) {#name, unit, doc},
const struct metric_info metric_info[METRIC_COUNT] = {METRIC_LIST(METRIC_INFO_)};
#undef METRIC_INFO_

/* The service level of a COHORT_S window, and how many good ones in a row are a recovery (15 s). */
enum { SUCCESS_MIN_PERCENT = 95, SLO_MIN_PERCENT = 90, RECOVERY_WINDOWS = 3 };

/* ---- the account ---- */

enum err episode_account_init(struct episode_account *m, struct arena *arena, int n_services)
{
    int8_t *last_direction = ARENA_NEW(arena, n_services, int8_t);
    TRY(arena_error(arena));
    *m = (struct episode_account){.last_direction = last_direction, .n_services = n_services};
    return ERR_OK;
}

void episode_account_clear(struct episode_account *m)
{
    /* The storage survives, since an arena cannot give single pieces back. */
    int8_t *last_direction = m->last_direction;
    memset(last_direction, 0, (size_t)m->n_services);
    *m = (struct episode_account){.last_direction = last_direction, .n_services = m->n_services};
}

static void add_terms(struct reward_terms *sum, const struct reward_terms *r)
{
    sum->sr += r->sr;
    sum->pod += r->pod;
    sum->latency += r->latency;
    sum->entry += r->entry;
    sum->tcr += r->tcr;
    sum->resilience += r->resilience;
    sum->cost += r->cost;
    sum->reward += r->reward;
}

/* A flip is a change against the direction of the service's previous change, however long ago. */
static void add_scalings(struct episode_account *m, const int32_t *executed)
{
    for (int s = 0; s < m->n_services; s++) {
        /* The sign of the change: -1, 0, 1. last_direction is 0 before the first change, and
         * direction is not 0 here, so the first change is no flip. */
        int8_t direction = (int8_t)((executed[s] > 0) - (executed[s] < 0));
        if (direction != 0) {
            m->scalings += 1.0;
            m->flips += direction == -m->last_direction[s] ? 1.0 : 0.0;
            m->last_direction[s] = direction;
        }
    }
}

void episode_account_step(struct episode_account *m, const struct plant_truth *t,
                          const struct reward_terms *r, const int32_t *executed, bool conflict)
{
    m->periods += 1.0;
    m->received += t->received;
    m->answered += t->answered;
    m->compliant += t->compliant;
    m->failed += t->failed;
    m->latency_sum_ms += t->latency_sum_ms;
    m->waiting += t->waiting_mean;
    m->available += t->service_available_mean;
    m->requested_m += t->requested_m_mean;
    m->conflicts += conflict ? 1.0 : 0.0;
    add_terms(&m->sum, r);
    add_scalings(m, executed);
}

/* ---- recovery ---- */

/* answered / received >= 95 % and compliant / received >= 90 %, multiplied out in integers, so that
 * a window exactly on the level meets it. Factors of 100 fit: counts are 32 bits, products 64. One
 * without requests breaches nothing: 0 >= 0. */
static bool is_good(const struct plant_cohort *c)
{
    uint64_t received = c->received;
    return 100 * (uint64_t)c->answered >= SUCCESS_MIN_PERCENT * received &&
           100 * (uint64_t)c->compliant >= SLO_MIN_PERCENT * received;
}

/* First window from `from` on that breaches, n if none. */
static int first_breach(const struct plant_cohort *cohorts, int n, int from)
{
    int i = from;
    while (i < n && is_good(&cohorts[i])) {
        i++;
    }
    return i;
}

/* First window from `from` on that begins RECOVERY_WINDOWS good ones, n if none. Windows without
 * requests neither make a run of good ones longer nor end it. */
static int first_recovery(const struct plant_cohort *cohorts, int n, int from)
{
    /* Invariant: the last n_good windows with requests before i are good, and the first of them is
     * `first`. */
    int n_good = 0, first = n;
    for (int i = from; i < n; i++) {
        if (cohorts[i].received == 0) {
            continue;
        }
        first = n_good == 0 ? i : first;
        n_good = is_good(&cohorts[i]) ? n_good + 1 : 0;
        if (n_good == RECOVERY_WINDOWS) {
            return first;
        }
    }
    return n;
}

void episode_metrics_recovery(double *recovery_s, bool *censored, double *violation_s,
                              const struct plant_cohort *cohorts, int n_cohorts, double onset_s)
{
    int n_bad = 0;
    for (int i = 0; i < n_cohorts; i++) {
        n_bad += is_good(&cohorts[i]) ? 0 : 1;
    }
    /* The first window that begins at or after the onset: an earlier one holds requests from before
     * it. The search for a recovery begins at the breach, which is no good window, so a recovery
     * lies after it and the time is above 0. Without a recovery `recovery` is n_cohorts, and the
     * time is the lower bound that a censored observation has. */
    double onset_window = fmin(ceil(onset_s / COHORT_S), n_cohorts);
    int breach = first_breach(cohorts, n_cohorts, (int)onset_window);
    int recovery = first_recovery(cohorts, n_cohorts, breach);
    *violation_s = (double)n_bad * COHORT_S;
    *censored = breach < n_cohorts && recovery == n_cohorts;
    *recovery_s = breach < n_cohorts ? (double)recovery * COHORT_S - onset_s : 0.0;
}

/* ---- the metrics ---- */

static void finish_requests(struct episode_metrics *out, const struct episode_account *m,
                            double seconds, double timeout_s)
{
    /* By Little's law rate x time is the mean number of requests that wait; this is the one if each
     * waited until its time-out, so `pending` lies between 0 and about 1. */
    double all_waiting = m->received / seconds * timeout_s; /* each until its time-out */
    out->slo_attainment = m->compliant / m->received;
    out->success = m->answered / m->received;
    out->pending = m->waiting / m->periods / all_waiting;
    out->latency = m->answered > 0.0 ? m->latency_sum_ms / m->answered : NAN; /* unknown, too */
}

static void finish_means(struct episode_metrics *out, const struct episode_account *m,
                         double seconds)
{
    double hours = seconds / 3600.0;
    out->resilience = m->sum.resilience / m->periods;
    out->or_success = m->sum.sr / m->periods;
    out->or_pods = m->sum.pod / m->periods;
    out->or_latency = m->sum.latency / m->periods;
    out->or_entry = m->sum.entry / m->periods;
    out->or_traffic = m->sum.tcr / m->periods;
    out->reward = m->sum.reward / m->periods;
    out->vcpu = m->requested_m / m->periods / 1000.0;
    out->vcpu_h = out->vcpu * hours;
    out->availability = m->available / m->periods;
    out->scalings = m->scalings / hours;
    out->flips = m->flips / hours;
    out->conflicts = m->conflicts / m->periods;
}

/* Windows whose requests have all been resolved: the clients of later ones may still wait. */
static int resolved_windows(int n_cohorts, double seconds, double timeout_s)
{
    /* A request of window i arrives before (i + 1) COHORT_S and is resolved within timeout_s, so
     * window i is complete at the end if (i + 1) COHORT_S + timeout_s <= seconds: true for the
     * first n. */
    double n = floor((seconds - timeout_s) / COHORT_S);
    return (int)fmax(0.0, fmin(n, n_cohorts));
}

static void finish_windows(struct episode_metrics *out, const struct plant_cohort *cohorts,
                           int n_windows, double onset_s)
{
    double recovery_s = NAN;
    double violation_s = NAN;
    bool censored = false;
    bool had_onset = onset_s >= 0.0;
    if (cohorts != NULL) {
        episode_metrics_recovery(&recovery_s, &censored, &violation_s, cohorts, n_windows,
                                 had_onset ? onset_s : 0.0);
    }
    bool is_defined = cohorts != NULL && had_onset;
    out->violation = violation_s;
    out->recovery = is_defined ? recovery_s : NAN;
    out->censored = is_defined ? (censored ? 1.0 : 0.0) : NAN;
}

/* All metrics NaN: without a request there is no share. The struct is METRIC_COUNT doubles and
 * nothing else, by the list that declares it. */
static void finish_unscored(struct episode_metrics *out)
{
    double *values = (double *)out;
    for (int i = 0; i < METRIC_COUNT; i++) {
        values[i] = NAN;
    }
}

bool episode_metrics_scored(const struct episode_metrics *m)
{
    return !isnan(m->slo_attainment);
}

void episode_metrics_finish(struct episode_metrics *out, const struct episode_account *m,
                            const struct plant_cohort *cohorts, int n_cohorts, double onset_s,
                            const struct plant_cfg *cfg)
{
    CHECK(m->periods > 0.0);
    double seconds = m->periods * cfg->period_s;
    /* received NaN means that the plant does not tell it: then the metrics that do not need it are
     * known. */
    if (!isnan(m->received) && !(m->received > 0.0)) {
        finish_unscored(out);
        return;
    }
    finish_requests(out, m, seconds, cfg->timeout_s);
    finish_means(out, m, seconds);
    out->upper_bound = NAN;
    finish_windows(out, cohorts, resolved_windows(n_cohorts, seconds, cfg->timeout_s), onset_s);
}
