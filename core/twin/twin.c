/* A batch of trajectories, driven by schedules, as a plant. See twin.h. */
#include "core/twin/twin.h"

#include "core/base/log.h"
#include "core/plant/schema.h"
#include "core/scenario/attacker.h"
#include "core/twin/queueing_plant.h"
#include "core/twin/shown.h"
#include "core/twin/twin_batch.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TILE_ENVS = 8, START_NEAREST = 16, DRAW_MEMBER = 100, DRAW_START = 101 };

/* What the twin stores of an environment beside its trajectory. */
struct twin_env {
    const struct schedule *schedule;
    struct plant_truth truth; /* of the last period */
    int period;               /* the next one, from 0 */
    struct attacker attacker; /* if it can be attacked */
};

struct twin {
    struct plant plant;
    const struct twin_model *model;
    struct shown shown; /* of a recording: what of it is a state */
    float *view;        /* (n_env, n_state) states as shown; NULL: as the batch has them */
    struct twin_batch batch;
    struct twin_env *envs; /* (n_env) */
    float *load;           /* (n_env) offered in the period that is stepped */
    double *legit;         /* (n_env) share of it that is legitimate */
    int32_t *delta;        /* (n_env, n_services) executed in it, in the order of the traces */
};

/* What environment lid shows now. */
static void show(struct twin *t, int lid)
{
    if (t->view != NULL) {
        const int history = t->model->features.history;
        const float *load = t->batch.load + (ptrdiff_t)lid * history;
        const float loads[2] = {load[0], load[history > 1 ? 1 : 0]};
        shown_state(t->view + (ptrdiff_t)lid * t->plant.n_state, &t->shown,
                    twin_batch_state(&t->batch, lid), loads);
    }
}

/* ---- the interface ---- */

/* The k-th (modulo their number) of the START_NEAREST recorded beginnings around `load`, in the
 * list sorted by load. Binary search: starts before lo have a smaller load, starts from hi on do
 * not; the interval [lo, hi) shrinks in every round. The window of n starts is centred at lo and
 * moved into the list where it would leave it. Where loads are not known, or the list is short, the
 * window is the whole list. k has 32 bits: the modulo favours no start by more than n / 2^32. */
static int start_near(const struct twin_model *m, double load, uint32_t k)
{
    int lo = 0, hi = m->n_starts;
    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;
        const bool below = (double)m->data.load[m->starts[mid]] < load;
        lo = below ? mid + 1 : lo;
        hi = below ? hi : mid;
    }
    const bool all = m->n_starts < START_NEAREST || !m->data.loaded; /* loads tell nothing */
    const int n = all ? m->n_starts : START_NEAREST;
    int first = lo - n / 2 > 0 ? lo - n / 2 : 0;
    first = first + n > m->n_starts ? m->n_starts - n : first;
    return m->starts[first + (int)(k % (uint32_t)n)];
}

/* Of what an attacker may do the twin is told the load alone, so nothing else is left to it. */
static void start_attacker(struct twin *t, int lid)
{
    struct attacker *a = &t->envs[lid].attacker;
    const struct schedule *s = t->envs[lid].schedule;
    if (plant_can(&t->plant, PLANT_ATTACKED)) {
        attacker_start(a, a->extra_rps, a->conn_rps, a->n_entries, t->plant.cfg,
                       attacker_nominal(s), s->n_seconds);
        attacker_requests_only(a);
    }
}

/* Both draws are functions of (seed, split, episode, tile or environment), so an episode begins
 * alike whatever was played before it and on whichever rank. Their first words (DRAW_*) differ from
 * those of twin_batch.c and of store_part_of(), which use the same domain. */
static enum err twin_reset(struct plant *p, int lid, const struct episode_id *id,
                           const struct schedule *schedule, int horizon)
{
    struct twin *t = (struct twin *)p;
    const struct twin_model *m = t->model;
    const struct rng_key key = rng_key(id->seed, RNG_TWIN, id->split);
    const uint32_t tile = id->env / TILE_ENVS;
    const uint32_t drawn = rng_philox(key, DRAW_MEMBER, tile, id->episode, 0).v[0];
    const struct twin_batch_id trajectory = {
        .key = key,
        .env = id->env,
        .episode = id->episode,
        .member = (int)rng_below(drawn, (uint32_t)m->ensemble.n_members)};
    double load = 0.0, legit = 1.0;
    (void)horizon;
    if (schedule != NULL) { /* nobody attacks before an episode */
        load = schedule_load(schedule, &legit, 0, p->cfg->period_s);
        load *= legit;
    }
    t->envs[lid] = (struct twin_env){.schedule = schedule, .attacker = t->envs[lid].attacker};
    start_attacker(t, lid);
    const uint32_t start = rng_philox(key, DRAW_START, id->env, id->episode, 0).v[0];
    twin_batch_begin(&t->batch, lid, &trajectory, &m->data, start_near(m, load, start));
    twin_batch_set_load(&t->batch, lid, (float)load);
    show(t, lid);
    return ERR_OK;
}

/* Changes that the bounds do not allow are not executed. delta: in the order of the topology; out:
 * in that of the traces (n_services each; twin_check() made sure that both have the same services).
 * Where the replicas are not recorded the service cannot be scaled: min = max, and out is 0. */
static void clip(struct twin *t, int lid, int32_t *out, const int32_t *delta)
{
    const struct topology *topology = t->plant.topology;
    const float *state = twin_batch_state(&t->batch, lid);
    for (int s = 0; s < topology->n_services; s++) {
        const struct service_cfg *cfg = &topology->cfg->services[s];
        const int traced = t->view != NULL ? t->shown.service[s] : s;
        const int at = t->model->features.desired_at[traced];
        const int desired = at != FEATURES_NONE ? (int)state[at] : cfg->min_replicas;
        const int lo = cfg->min_replicas - desired, hi = cfg->max_replicas - desired;
        out[traced] = delta[s] < lo ? lo : delta[s] > hi ? hi : delta[s];
    }
}

/* The load of the learned attacker in the coming period, requests/s over all entries. */
static double attack_load(struct twin *t, int lid, const struct attack_action *attack)
{
    struct twin_env *at = &t->envs[lid];
    const struct plant_cfg *cfg = t->plant.cfg;
    if (!plant_can(&t->plant, PLANT_ATTACKED)) {
        return 0.0;
    }
    (void)attacker_load(&at->attacker, attack, cfg,
                        attacker_room(at->schedule, cfg, t->plant.topology, at->period));
    return at->attacker.extra_total;
}

/* The offered load of the coming period; 0 if the twin does not know loads. Without a load of the
 * attacker it is the schedule's, to the bit. */
static float load_of(struct twin *t, int lid, const struct attack_action *attack)
{
    const struct twin_env *at = &t->envs[lid];
    const double extra = attack_load(t, lid, attack);
    t->legit[lid] = 1.0;
    if (at->schedule == NULL) {
        return 0.0F;
    }
    const double load =
        schedule_load(at->schedule, &t->legit[lid], at->period, t->plant.cfg->period_s);
    if (extra > 0.0) {
        t->legit[lid] *= load / (load + extra);
    }
    return (float)(load + extra);
}

/* Exact counters of the period that has passed, of a twin that has them. The requests in flight
 * before it are those at the end of the period before, 0 after a reset. */
static void count(struct twin *t, int lid)
{
    struct twin_env *at = &t->envs[lid];
    float kpi[FEATURES_KPIS];
    memcpy(kpi, t->batch.kpi + (ptrdiff_t)lid * FEATURES_KPIS, sizeof kpi);
    features_kpis_decode(kpi, &t->model->features, twin_batch_state(&t->batch, lid));
    features_truth(&at->truth, kpi, at->truth.inflight, (double)t->load[lid], t->legit[lid],
                   t->plant.cfg->period_s);
}

static enum err twin_pass(struct plant *p, const int32_t *delta, const struct attack_action *attack,
                          const uint8_t *active)
{
    struct twin *t = (struct twin *)p;
    const int n = p->topology->n_services;
    for (int i = 0; i < p->n_env; i++) {
        if (active != NULL && active[i] == 0) {
            continue; /* it may never have been reset */
        }
        clip(t, i, t->delta + (ptrdiff_t)i * n, delta + (ptrdiff_t)i * n);
        t->load[i] = load_of(t, i, attack != NULL ? &attack[i] : NULL);
    }
    twin_batch_step(&t->batch, t->delta, NULL, t->load, active);
    for (int i = 0; i < p->n_env; i++) {
        if (active != NULL && active[i] == 0) {
            continue;
        }
        if (plant_can(p, PLANT_EXACT)) {
            count(t, i);
        }
        show(t, i);
        t->envs[i].period++;
    }
    return ERR_OK;
}

static const float *twin_state(const struct plant *p, int lid)
{
    const struct twin *t = (const struct twin *)p;
    return t->view != NULL ? t->view + (ptrdiff_t)lid * p->n_state
                           : twin_batch_state(&t->batch, lid);
}

static const float *twin_age(const struct plant *p, int lid)
{
    (void)lid;
    return ((const struct twin *)p)->shown.age;
}

static void twin_outcomes(struct plant_outcomes *out, const struct plant *p, int lid)
{
    const struct twin *t = (const struct twin *)p;
    shown_outcomes(out, &t->shown, twin_state(p, lid), twin_batch_state(&t->batch, lid), p->cfg);
}

static double twin_clock_s(const struct plant *p, int lid)
{
    return ((const struct twin *)p)->envs[lid].period * p->cfg->period_s;
}

static const struct plant_truth *twin_truth(const struct plant *p, int lid)
{
    return &((const struct twin *)p)->envs[lid].truth;
}

static struct attack_budget twin_attack_left(const struct plant *p, int lid)
{
    return ((const struct twin *)p)->envs[lid].attacker.left;
}

const int64_t *twin_steps_by_source(const struct plant *p)
{
    CHECK(p->ops->reset == twin_reset);
    return ((const struct twin *)p)->batch.steps_by_source;
}

static const struct plant_ops twin_ops = {
    .kind = "twin",
    .reset = twin_reset,
    .pass = twin_pass,
    .state = twin_state,
    .clock_s = twin_clock_s,
    .truth = twin_truth,
    .attack_left = twin_attack_left,
};

/* Of a recording. */
static const struct plant_ops twin_ops_shown = {
    .kind = "twin",
    .reset = twin_reset,
    .pass = twin_pass,
    .state = twin_state,
    .age = twin_age,
    .outcomes = twin_outcomes,
    .clock_s = twin_clock_s,
};

/* ---- building ---- */

static enum err other(const char *file, const char *what)
{
    log_error(
        "the twin %s was fitted to another system: %s; collect traces of this one (karma trace "
        "collect) and fit again",
        file, what);
    return ERR_MISMATCH;
}

/* Their arithmetic is in the twin; it is not learned. */
static bool same_requests(const struct pods *p, const struct topology_cfg *t)
{
    bool same =
        p->cpu_m == NULL || (p->node_cpu_m == t->node_cpu_m && p->node_ram_mib == t->node_ram_mib &&
                             p->limit_ratio == t->limit_ratio);
    for (int i = 0; same && p->cpu_m != NULL && i < p->n; i++) {
        same = p->cpu_m[i] == t->services[i].cpu_m && p->ram_mib[i] == t->services[i].ram_mib;
    }
    return same;
}

static enum err unlike(const char *file, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "the twin FILE of a recording SENTENCE". */
static enum err unlike(const char *file, const char *fmt, ...)
{
    char sentence[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    log_error("the twin %s of a recording %s", file, sentence);
    return ERR_MISMATCH;
}

struct replicas {
    float fewest, most;
};

/* Of column `at` over the training episodes, where they were measured. */
static struct replicas recorded(const struct dataset *d, int at)
{
    const size_t n = (size_t)d->features->n_state;
    struct replicas r = {INFINITY, -INFINITY};
    for (int row = 0; row < d->n_rows; row++) {
        const float x = d->state[(size_t)row * n + (size_t)at];
        if (d->episodes[d->episode[row]].part == STORE_TRAIN && dataset_known(d, row, at)) {
            r = (struct replicas){fminf(r.fewest, x), fmaxf(r.most, x)};
        }
    }
    return r;
}

/* A service has 1 replica or more, so 0 is no number to set. */
static enum err never_scaled(const char *file, const char *name, float replicas)
{
    if (replicas < 1.0F) {
        return unlike(file,
                      "cannot know what scaling '%s' does: in the episodes for training it has "
                      "%g replicas throughout; record it while it runs and is scaled, or leave it "
                      "out of the recording and of the topology",
                      name, (double)replicas);
    }
    return unlike(file,
                  "cannot know what scaling '%s' does: in the episodes for training its replicas "
                  "never change; set its min_replicas, max_replicas and initial_replicas to %g, or "
                  "record it while it is scaled",
                  name, (double)replicas);
}

/* Networks answer beyond what they were fitted to as well, but nobody knows how well. */
static void warn_of_range(const char *file, const struct service_cfg *cfg, struct replicas r)
{
    if ((float)cfg->min_replicas < r.fewest || (float)cfg->max_replicas > r.most) {
        log_warn("the twin %s was fitted to %g to %g replicas of '%s', and the topology allows %d "
                 "to %d: beyond what was recorded its answers are guesses; narrow min_replicas and "
                 "max_replicas, or record the service at these numbers",
                 file, (double)r.fewest, (double)r.most, cfg->name, cfg->min_replicas,
                 cfg->max_replicas);
    }
}

/* Nothing can be learned from what was never done. */
static enum err check_actions(const struct twin_model *model, const struct topology *topology,
                              const char *file)
{
    for (int i = 0; i < topology->n_services; i++) {
        const struct service_cfg *cfg = &topology->cfg->services[i];
        const int service = shown_service(model, cfg->name),
                  at = model->features.desired_at[service];
        if (cfg->min_replicas == cfg->max_replicas) {
            continue; /* nobody may scale it */
        }
        if (at == FEATURES_NONE || !dataset_held(&model->data, at)) {
            return unlike(file,
                          "cannot know what scaling '%s' does: its replicas were not recorded; "
                          "set its min_replicas, max_replicas and initial_replicas to the number "
                          "it had, or record its replicas",
                          cfg->name);
        }
        if (!dataset_moves(&model->data, service)) {
            return never_scaled(file, cfg->name, recorded(&model->data, at).most);
        }
        warn_of_range(file, cfg, recorded(&model->data, at));
    }
    return ERR_OK;
}

/* A twin that has not the whole schema, or no exact counters. */
static enum err check_recording(const struct twin_model *model, const struct topology *topology,
                                const struct plant_cfg *cfg, const char *file)
{
    const struct store_header *h = &model->features.header;
    for (int i = 0; i < topology->n_services; i++) {
        if (shown_service(model, topology->cfg->services[i].name) == FEATURES_NONE) {
            return unlike(file, "has no service '%s', which the topology has",
                          topology->cfg->services[i].name);
        }
    }
    for (int i = 0; i < h->n_services; i++) {
        if (topology_find(topology, h->services[i]) < 0) {
            return unlike(file, "has the service '%s', which the topology does not have",
                          h->services[i]);
        }
    }
    if (h->period_s != cfg->period_s) {
        return unlike(file,
                      "has a decision every %g s, and plant.period_s is %g s; set plant.period_s "
                      "to %g",
                      h->period_s, cfg->period_s, h->period_s);
    }
    TRY(check_actions(model, topology, file));
    return model->n_starts > 0
               ? ERR_OK
               : unlike(file, "has no training episode whose beginning was measured");
}

enum err twin_check(const struct twin_model *model, const struct topology *topology,
                    const struct plant_cfg *cfg, const char *file)
{
    const struct features *s = &model->features;
    if (s->n_kpis == 0) {
        return check_recording(model, topology, cfg, file);
    }
    if (s->n_services != topology->n_services || s->n_state != state_size(topology->n_services)) {
        return other(file, "it has other services, or other columns of a state");
    }
    for (int i = 0; i < s->n_services; i++) {
        const int at = s->desired_at[i];
        if (strcmp(s->header.services[i], topology->cfg->services[i].name) != 0) {
            return other(file, "its services have other names");
        }
        if (at != state_service_at(i, SF_DESIRED)) {
            return other(file, "the columns of its state have another order");
        }
    }
    if (!same_requests(&s->pods, topology->cfg)) {
        return other(file, "its pods or its node have other CPU or memory");
    }
    if (s->header.period_s != cfg->period_s) {
        return other(file, "its decision period is another one");
    }
    if (model->n_starts == 0) {
        return other(file, "no training episode in its traces has a beginning that was measured");
    }
    return ERR_OK;
}

/* A twin that is told the load and has exact counters can be attacked by load. */
static enum err init_attackers(struct twin *t, struct arena *arena)
{
    const int n_entries = t->plant.topology->n_entries;
    double *extra = ARENA_NEW(arena, 2 * t->plant.n_env * n_entries, double);
    TRY(arena_error(arena));
    for (int i = 0; i < t->plant.n_env; i++) {
        t->envs[i].attacker = (struct attacker){
            .extra_rps = extra + (ptrdiff_t)(2 * i) * n_entries,
            .conn_rps = extra + (ptrdiff_t)(2 * i + 1) * n_entries,
            .n_entries = n_entries,
        };
    }
    t->plant.can |= plant_can(&t->plant, PLANT_DRIVEN) ? PLANT_ATTACKED : 0U;
    return ERR_OK;
}

enum err twin_new(struct plant **out, struct arena *arena, const struct twin_model *model,
                  const struct plant_cfg *cfg, const struct topology *topology, int n_env)
{
    if (model->queueing != NULL) {
        return queueing_plant_new(out, arena, model, cfg, topology, n_env);
    }
    struct twin *t = ARENA_NEW(arena, 1, struct twin);
    TRY(arena_error(arena));
    *t = (struct twin){.plant = {.ops = &twin_ops,
                                 .topology = topology,
                                 .cfg = cfg,
                                 .n_env = n_env,
                                 .n_state = state_size(topology->n_services),
                                 .can = PLANT_REPEATS | (model->data.loaded ? PLANT_DRIVEN : 0U)},
                       .model = model,
                       .envs = ARENA_NEW(arena, n_env, struct twin_env),
                       .load = ARENA_NEW(arena, n_env, float),
                       .legit = ARENA_NEW(arena, n_env, double),
                       .delta = ARENA_NEW(arena, n_env * topology->n_services, int32_t)};
    TRY(arena_error(arena));
    TRY(twin_batch_init(&t->batch, arena, model, n_env));
    if (model->features.n_kpis > 0) {
        t->plant.can |= PLANT_EXACT;
        TRY(init_attackers(t, arena));
    } else {
        t->plant.ops = &twin_ops_shown;
        t->view = ARENA_NEW(arena, (size_t)n_env * (size_t)t->plant.n_state, float);
        TRY(shown_init(&t->shown, arena, model, topology, cfg));
        TRY(arena_error(arena));
    }
    *out = &t->plant;
    return ERR_OK;
}
