/* One simulation: its memory, the start of an episode, one decision period. */
#include "core/cluster/internal.h"

#include <string.h>

static enum err init_services(struct sim *s, struct arena *arena)
{
    const struct sim_shared *w = s->shared;
    const struct topology_cfg *cfg = w->topology->cfg;
    s->services = ARENA_NEW(arena, cfg->n_services, struct sim_service);
    int32_t *ready = ARENA_NEW(arena, (size_t)cfg->n_services * (size_t)w->n_ready, int32_t);
    TRY(arena_error(arena));
    for (int i = 0; i < cfg->n_services; i++) {
        s->services[i].ready = ready + (size_t)i * (size_t)w->n_ready;
    }
    return ERR_OK;
}

static enum err init_pods(struct sim *s, struct arena *arena)
{
    size_t n = (size_t)s->shared->n_pods;
    size_t slots = SHARE_STEP + (size_t)s->shared->topology->cfg->slots_per_pod;
    int n_blocks = (s->shared->n_pods + AGENDA_BLOCK - 1) / AGENDA_BLOCK;
    s->pods = ARENA_NEW(arena, n, struct sim_pod);
    double *tag = ARENA_NEW(arena, n * slots, double);
    int32_t *who = ARENA_NEW(arena, n * slots, int32_t);
    s->agenda.n_blocks = n_blocks;
    s->agenda.at = ARENA_NEW(arena, n_blocks * AGENDA_BLOCK, double);
    s->agenda.least = ARENA_NEW(arena, n_blocks, double);
    s->agenda.least_i = ARENA_NEW(arena, n_blocks, int32_t);
    TRY(arena_error(arena));
    for (size_t i = 0; i < n; i++) {
        s->pods[i].tag = tag + i * slots + SHARE_STEP;
        s->pods[i].who = who + i * slots + SHARE_STEP;
        for (int k = 1; k <= SHARE_STEP; k++) {
            s->pods[i].tag[-k] = SIM_NEVER;
        }
    }
    return ERR_OK;
}

static enum err init_clients(struct sim *s, struct arena *arena)
{
    int n = s->shared->n_clients;
    s->clients = ARENA_NEW(arena, n, struct sim_client);
    s->timers.at = ARENA_NEW(arena, n, double);
    s->timers.heap = ARENA_NEW(arena, n, int32_t);
    s->timers.heap_pos = ARENA_NEW(arena, n, int32_t);
    return arena_error(arena);
}

/* The requests of users are not numbered as they arrive: neighbours are far apart in time. */
static enum err init_draws(struct sim *s, struct arena *arena)
{
    const struct sim_shared *w = s->shared;
    bool in_order = w->cfg->clients.kind != CLIENT_CLOSED;
    uint32_t n = w->tree_visits < DRAWS_VISITS_MAX ? w->tree_visits : DRAWS_VISITS_MAX;
    s->draws.n_visits = in_order ? n : 0;
    s->draws.rows = ARENA_NEW(arena, draws_n_rows(s->draws.n_visits), struct draws_row);
    return arena_error(arena);
}

/* All memory of a simulation, for the largest numbers that can occur (struct sim_shared); an
 * episode allocates nothing. */
enum err sim_init(struct sim *s, struct arena *arena, const struct sim_shared *w)
{
    size_t n_ring = (size_t)w->n_ring, n_services = (size_t)w->topology->n_services;
    *s = (struct sim){.shared = w};
    TRY(init_services(s, arena));
    TRY(init_pods(s, arena));
    TRY(init_clients(s, arena));
    TRY(init_draws(s, arena));
    s->calls = ARENA_NEW(arena, w->n_calls, struct sim_call);
    s->extra_rps = ARENA_NEW(arena, w->topology->n_entries, double);
    s->conn_rps = ARENA_NEW(arena, w->topology->n_entries, double);
    s->cohorts = ARENA_NEW(arena, w->n_cohorts, struct plant_cohort);
    s->ring = ARENA_NEW(arena, n_ring, struct sim_scrape);
    s->ring_service = ARENA_NEW(arena, n_ring * n_services, struct sim_scrape_service);
    s->ring_pod = ARENA_NEW(arena, n_ring * (size_t)w->n_pods, double);
    s->state = ARENA_NEW(arena, state_size(w->topology->n_services), float);
    TRY(arena_error(arena));
    return ERR_OK;
}

static void clear_services(struct sim *s)
{
    const struct topology_cfg *cfg = s->shared->topology->cfg;
    for (int i = 0; i < cfg->n_services; i++) {
        struct sim_area from_now = {.since_s = s->now};
        s->services[i] = (struct sim_service){
            .ready = s->services[i].ready,
            .cores = cfg->services[i].cpu_m * 1e-3 * cfg->limit_ratio,
            .ready_area = from_now,
            .up_area = from_now,
        };
    }
}

/* As if freshly allocated, but for the number of hops. */
static void clear(struct sim *s)
{
    struct sim_area from_now = {.since_s = s->now};
    s->free_call = SIM_NO_CALL;
    s->n_touched = s->n_live = 0;
    s->n_born = 0;
    s->node_cpu_m = s->node_ram_mib = s->limit_cores = 0.0;
    s->received = s->answered = s->resolved = s->latency_s = s->retries = 0.0;
    s->sojourn_s = 0.0;
    s->inside = s->waiting = s->pods_area = s->failed_area = from_now;
    s->entry_area = s->requested_area = from_now;
    s->truth = s->mark = (struct plant_truth){0};
    s->period = 0;
    s->n_scrapes = 0;
    s->n_cohorts = 0;
    for (int i = 0; i < s->shared->n_pods; i++) {
        s->pods[i].state = POD_FREE;
        s->pods[i].computing = s->pods[i].held = s->pods[i].queued = 0;
        s->pods[i].next_transition_s = SIM_NEVER;
    }
    agenda_clear(&s->agenda);
    clear_services(s);
}

/* To time 0. What happens at 0 belongs to the episode, so the tick of 0 waits for the first step.
 */
static void warm_up(struct sim *s)
{
    sim_run(s, -0.5 / SIM_TICKS_PER_S);
    const double tick_s = s->tick_s;
    s->tick_s = SIM_NEVER;
    sim_run(s, 0.0);
    s->tick_s = tick_s;
}

/* The order matters: pods become ready with the hazard and the CPU that the disturbances begin
 * with, and users are numbered by the rate of the legitimate stream. Cohorts do not exist during
 * the warm-up (n_cohorts is 0), so its requests are in none. */
void sim_reset(struct sim *s, const struct episode_id *id, const struct schedule *schedule,
               int horizon)
{
    s->id = *id;
    s->schedule = schedule;
    draws_clear(&s->draws, rng_key(id->seed, RNG_SERVICE, id->split), id->episode, id->env);
    s->key_route = rng_key(id->seed, RNG_ROUTE, id->split);
    s->key_client = rng_key(id->seed, RNG_CLIENT, id->split);
    s->key_pod = rng_key(id->seed, RNG_POD, id->split);
    s->key_fault = rng_key(id->seed, RNG_FAULT, id->split);
    s->key_liveness = rng_key(id->seed, RNG_LIVENESS, id->split);
    s->now = -s->shared->warm_s;
    clear(s);
    sim_disturbances_start(s);
    sim_pods_start(s);
    sim_streams_start(s);
    sim_clients_start(s);
    s->scrape_s = sim_scrape_at(s, 0);
    memset(s->state, 0, sizeof *s->state * (size_t)state_size(s->shared->topology->n_services));
    warm_up(s);
    s->n_cohorts = (int)ceil(horizon * s->shared->plant->period_s / COHORT_S);
    memset(s->cohorts, 0, sizeof(*s->cohorts) * (size_t)s->n_cohorts);
    sim_truth_open(s); /* the warm-up leaves nothing but calls in flight and scrapes */
    s->truth.inflight = s->received - s->resolved;
    sim_scrape_state(s);
}

/* One decision period. The end is computed as a multiple of period_s and not by adding it up, so it
 * carries one rounding however many periods there were. */
void sim_step(struct sim *s, const int32_t *delta, const struct attack_action *attack)
{
    const struct topology_cfg *cfg = s->shared->topology->cfg;
    sim_truth_open(s);
    for (int i = 0; i < cfg->n_services; i++) {
        int64_t wanted = (int64_t)s->services[i].desired + delta[i];
        int64_t least = cfg->services[i].min_replicas, most = cfg->services[i].max_replicas;
        sim_scale(s, i, (int)(wanted < least ? least : wanted > most ? most : wanted));
    }
    sim_schedule_pods(s);
    sim_attack(s, attack);
    s->period++;
    sim_run(s, s->period * s->shared->plant->period_s);
    sim_truth_close(s);
    sim_scrape_state(s);
}
