/* Sums and samples of a schedule over spans of time. See privileged.h for the columns. */
#include "core/game/privileged.h"

#include <math.h>
#include <stdio.h>

const int privileged_load_s[PRIVILEGED_LOADS + 1] = {-15, 0, 15, 30, 45, 60, 90, 120, 180};

/* Faults last for minutes, so fewer spans and samples are enough. */
enum { FAULT_SPANS = 3, GLOBAL_FAULTS = 4, SERVICE_COLUMNS = 3, SAMPLE_S = 15 };
static const int fault_s[FAULT_SPANS + 1] = {0, 30, 90, 180};

int privileged_columns(int n_services)
{
    return PRIVILEGED_LOADS + FAULT_SPANS * (GLOBAL_FAULTS + SERVICE_COLUMNS * n_services);
}

/* ---- load ---- */

static double mean_load(const struct schedule *s, int from_s, int until_s)
{
    double sum = 0.0;
    for (int u = from_s; u < until_s; u++) {
        const int at = u < 0 ? 0 : u < s->n_seconds ? u : s->n_seconds - 1;
        sum += (double)s->legit_rps[at] +
               (double)s->attack_rps[at] * (1.0 + (double)s->attack_excess[at]);
    }
    return sum / (until_s - from_s);
}

/* ---- faults ---- */

/* A span of faults, from now_s on. */
struct span {
    const struct schedule *schedule;
    double from_s, until_s;
    int n; /* samples */
};

static double sample_s(const struct span *p, int i)
{
    return p->from_s + (i + 0.5) * SAMPLE_S;
}

static float *put_global(float *out, const struct span *p)
{
    const struct schedule *s = p->schedule;
    double neighbour = 0.0, loris = 0.0, retries = 0.0, outage = 0.0, hold_s = 0.0;
    for (int i = 0; i < p->n; i++) {
        const double t_s = sample_s(p, i);
        neighbour += schedule_neighbour_m(s, t_s) / s->node_cpu_m;
        loris += schedule_loris(s, t_s, &hold_s) / s->mean_rps;
        retries += schedule_retries(s, t_s);
        outage += schedule_outage(s, t_s);
    }
    *out++ = (float)(neighbour / p->n);
    *out++ = (float)(loris / p->n);
    *out++ = (float)(retries / p->n);
    *out++ = (float)(outage / p->n);
    return out;
}

static double mean_loss(const struct schedule *s, const struct topology *t, int service, double t_s)
{
    const int begin = t->callee_begin[service], end = t->callee_begin[service + 1];
    double sum = 0.0;
    for (int i = begin; i < end; i++) {
        sum += schedule_loss(s, service, t->callee[i], t_s);
    }
    return end > begin ? sum / (end - begin) : 0.0;
}

static float *put_service(float *out, const struct span *p, const struct topology *t, int service)
{
    const struct schedule *s = p->schedule;
    const double needed = s->mean_rps * t->visits[service] / t->pod_rps[service] /
                          t->cfg->services[service].max_replicas;
    double slowdown = 0.0, crashes = 0.0, loss = 0.0;
    for (int i = 0; i < p->n; i++) {
        const double t_s = sample_s(p, i);
        slowdown += schedule_slowdown(s, service, t_s);
        crashes += schedule_crash_rate(s, service, t_s) * SAMPLE_S;
        loss += mean_loss(s, t, service, t_s);
    }
    *out++ = (float)(needed * slowdown / p->n);
    *out++ = (float)(crashes + schedule_crash_share(s, service, p->from_s, p->until_s));
    *out++ = (float)(loss / p->n);
    return out;
}

void privileged_fill(float *out, const struct schedule *ahead, const struct env_setup *w,
                     double now_s)
{
    const struct topology *t = &w->topology;
    const int now = (int)now_s;
    for (int i = 0; i < PRIVILEGED_LOADS; i++) {
        const double load =
            mean_load(ahead, now + privileged_load_s[i], now + privileged_load_s[i + 1]);
        *out++ = (float)(load / ahead->mean_rps - 1.0);
    }
    for (int k = 0; k < FAULT_SPANS; k++) {
        const struct span span = {.schedule = ahead,
                                  .from_s = now_s + fault_s[k],
                                  .until_s = now_s + fault_s[k + 1],
                                  .n = (fault_s[k + 1] - fault_s[k]) / SAMPLE_S};
        out = put_global(out, &span);
        for (int s = 0; s < t->n_services; s++) {
            out = put_service(out, &span, t, s);
        }
    }
}

enum err privileged_check(const struct env_setup *w, const struct cfg *src_locs)
{
    const bool follows = w->twin == NULL || w->twin->data.loaded;
    if (!follows) {
        return plant_cfg_error(src_locs, "team.critic",
                               "is privileged, but the twin %s of a recording holds no load: its "
                               "episodes follow no schedule that a critic could see; set it to "
                               "central",
                               w->cfg.twin->file);
    }
    for (int i = 0; i < w->cfg.n_scenarios; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "scenarios.%d", i);
        TRY(schedule_check_length(&w->scenarios[i], w->n_seconds + PRIVILEGED_AHEAD_S, key,
                                  src_locs));
    }
    return ERR_OK;
}
