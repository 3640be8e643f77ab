/* Weighted sums of what the state shows, and their quotients. See capacity.h. */
#include "core/controllers/capacity.h"

#include "core/base/fmath.h"
#include "core/plant/schema.h"

#include <math.h>

static const double HALF_LIFE_S = 600.0;
static const double LN_2 = 0.69314718055994531;
static const double CLEAN = 0.99;
static const double DIRTY = 0.02;
static const double N_MIN = 30.0;

static const enum service_feature read_of_services[] = {SF_RECEIVED, SF_CPU, SF_QUEUE};
static const enum global_feature read_of_all[] = {GF_ENTRY_30S, GF_ANSWERED};

enum err capacity_init(struct capacity *c, struct arena *arena, const struct env_setup *env_setup)
{
    const int n = env_setup->topology.n_services;
    double *rows = ARENA_NEW(arena, 4 * n, double);
    TRY(arena_error(arena));
    *c = (struct capacity){.env_setup = env_setup,
                           .calls = rows,
                           .used_s = rows + n,
                           .visits = rows + 2 * n,
                           .pod_rps = rows + 3 * n};
    capacity_clear(c);
    return ERR_OK;
}

void capacity_clear(struct capacity *c)
{
    c->entered = 0.0;
    for (int s = 0; s < c->env_setup->topology.n_services; s++) {
        c->calls[s] = c->used_s[s] = c->visits[s] = 0.0;
        c->pod_rps[s] = c->env_setup->topology.pod_rps[s]; /* of no service that is planned for */
    }
}

static double at_service(const float *state, int s, enum service_feature f)
{
    return (double)state[state_service_at(s, f)];
}

static bool is_clean(const struct capacity *c, const float *state)
{
    const int n = c->env_setup->topology.n_services;
    const double entry = (double)state[state_global_at(n, GF_ENTRY_30S)];
    double waiting = 0.0;
    for (int s = 0; s < n; s++) {
        waiting += at_service(state, s, SF_QUEUE);
    }
    return (double)state[state_global_at(n, GF_ANSWERED)] >= CLEAN &&
           waiting <= (1.0 - CLEAN) * entry * c->env_setup->cfg.plant->window_s;
}

bool capacity_known(const struct capacity *c, int service)
{
    return c->calls[service] >= N_MIN && c->entered >= N_MIN && c->used_s[service] > 0.0;
}

void capacity_update(struct capacity *c, const float *state)
{
    const int n = c->env_setup->topology.n_services;
    const double period_s = c->env_setup->cfg.plant->period_s;
    const double keep = fm_exp(-LN_2 * period_s / HALF_LIFE_S);
    const double exposure_s = (is_clean(c, state) ? 1.0 : DIRTY) * period_s;
    c->entered = keep * c->entered + exposure_s * (double)state[state_global_at(n, GF_ENTRY_30S)];
    for (int s = 0; s < n; s++) {
        const double request_s = c->env_setup->cfg.topology->services[s].cpu_m * 1e-3;
        c->calls[s] = keep * c->calls[s] + exposure_s * at_service(state, s, SF_RECEIVED);
        c->used_s[s] = keep * c->used_s[s] + exposure_s * at_service(state, s, SF_CPU) * 1e-3;
        if (capacity_known(c, s)) {
            const double demand_s = c->used_s[s] / c->calls[s] * (1.0 + 1.0 / sqrt(c->calls[s]));
            c->visits[s] = c->calls[s] / c->entered;
            c->pod_rps[s] = request_s / demand_s;
        }
    }
}

void capacity_reads(uint8_t *columns, const struct topology *topology)
{
    const int n = topology->n_services;
    for (size_t i = 0; i < sizeof read_of_all / sizeof *read_of_all; i++) {
        columns[state_global_at(n, read_of_all[i])] = 1;
    }
    for (int s = 0; s < n; s++) {
        for (size_t i = 0; i < sizeof read_of_services / sizeof *read_of_services; i++) {
            columns[state_service_at(s, read_of_services[i])] = 1;
        }
    }
}
