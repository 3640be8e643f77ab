/* A linear system whose noise is known, as a store of traces, and small twins fitted to it.
 *
 *   load u, desired replicas d of two services; executed changes c
 *   web.cpu'   = 0.6 web.cpu + 2 u + 20 (d_web + c_web) + (2 + u / 10) n1
 *   db.cpu'    = 0.5 db.cpu + 0.5 web.cpu + 10 (d_db + c_db) + 3 n2
 *   entry_30s' = u + n3 / 2;   entry_diff' = u - u before     n1, n2, n3 standard normal
 *
 * Counters are functions of these, without noise.
 */
#ifndef KARMA_TESTS_TWIN_FIXTURE_H
#define KARMA_TESTS_TWIN_FIXTURE_H

#include "core/base/file.h"
#include "core/base/rng.h"
#include "core/twin/model.h"
#include "core/twin/twin_batch.h"
#include "tests/store_fixture.h"
#include "tests/unit/scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka wants these first */
#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)

enum { LINEAR_N = 2, LINEAR_S = 6, LINEAR_STEPS_MAX = 512, LINEAR_SEED = 5 };
enum { WEB_DESIRED, WEB_CPU, DB_DESIRED, DB_CPU, ENTRY_30S, ENTRY_DIFF };
static const char *const linear_services[LINEAR_N] = {"web", "db"};
static const char *const linear_columns[LINEAR_S] = {"web.desired", "web.cpu",   "db.desired",
                                                     "db.cpu",      "entry_30s", "entry_diff"};
static const char *const linear_units[LINEAR_S] = {"pods", "mcpu", "pods", "mcpu", "1/s", "1/s"};
static const double LINEAR_PERIOD_S = 15.0, LINEAR_DB_SD = 3.0, LINEAR_ENTRY_SD = 0.5;

static inline double linear_web_sd(double load)
{
    return 2.0 + load / 10.0;
}

static inline struct store_header linear_header(void)
{
    struct store_header h =
        store_fixture_header(linear_services, LINEAR_N, linear_columns, linear_units, LINEAR_S,
                             plant_truth_names, PLANT_TRUTHS);
    h.split_seed = 7;
    h.validation = 0.3;
    h.held_out = 0.1;
    return h;
}

/* ---- an episode ---- */

struct linear_episode {
    struct store_episode e;
    float state[(LINEAR_STEPS_MAX + 1) * LINEAR_S], load[LINEAR_STEPS_MAX];
    int32_t delta[LINEAR_STEPS_MAX * LINEAR_N];
    double truth[LINEAR_STEPS_MAX * PLANT_TRUTHS];
    uint8_t gaps[(LINEAR_STEPS_MAX + 1) * LINEAR_S / 8 + 1];
};

static inline struct plant_truth linear_truth(const float *next, double load, double before)
{
    const double received = load * LINEAR_PERIOD_S, inflight = 4.0 + 0.02 * load;
    const double resolved = received + before - inflight;
    const double answered = resolved * (1.0 - 0.002 * load);
    return (struct plant_truth){
        .received = received,
        .answered = answered,
        .compliant = 0.8 * answered,
        .failed = resolved - answered,
        .latency_sum_ms = answered * (50.0 + load),
        .received_legit = received,
        .answered_legit = fmin(answered, received),
        .inflight = inflight,
        .waiting_mean = load / 10.0,
        .pods_deployed_mean = (double)(next[WEB_DESIRED] + next[DB_DESIRED]),
        .entry_available_mean = 1.0,
        .service_available_mean = 1.0,
        .requested_m_mean = 100.0 * (double)(next[WEB_DESIRED] + next[DB_DESIRED]),
        .used_m_mean = (double)(next[WEB_CPU] + next[DB_CPU]),
    };
}

static inline void linear_step(float *next, const float *now, const int32_t *delta, double load,
                               double load_before, struct rng_key key, uint32_t step,
                               uint32_t episode)
{
    const struct rng_block a = rng_philox(key, 0, step, episode, 1);
    const struct rng_block b = rng_philox(key, 1, step, episode, 1);
    next[WEB_DESIRED] = now[WEB_DESIRED] + (float)delta[0];
    next[DB_DESIRED] = now[DB_DESIRED] + (float)delta[1];
    next[WEB_CPU] =
        (float)(0.6 * (double)now[WEB_CPU] + 2.0 * load + 20.0 * (double)next[WEB_DESIRED] +
                linear_web_sd(load) * rng_normal(a.v[0], a.v[1]));
    next[DB_CPU] =
        (float)(0.5 * (double)now[DB_CPU] + 0.5 * (double)now[WEB_CPU] +
                10.0 * (double)next[DB_DESIRED] + LINEAR_DB_SD * rng_normal(a.v[2], a.v[3]));
    next[ENTRY_30S] = (float)(load + LINEAR_ENTRY_SD * rng_normal(b.v[0], b.v[1]));
    next[ENTRY_DIFF] = (float)(load - load_before);
}

/* A change that keeps 1 .. 6 replicas. */
static inline int32_t linear_delta(float desired, uint32_t word)
{
    const int32_t requested = (int32_t)rng_below(word, 3) - 1, next = (int32_t)desired + requested;
    return next < 1 || next > 6 ? 0 : requested;
}

/* Episode `number` of n_steps decisions; a function of its number alone. */
static inline void linear_play(struct linear_episode *m, int number, int n_steps)
{
    const struct rng_key key = rng_key(LINEAR_SEED, RNG_SCENARIO, RNG_TRAIN);
    const uint32_t episode = (uint32_t)number;
    const float first[LINEAR_S] = {3, 200, 3, 200, 50, 0};
    double load = 50.0, before = 4.0;
    memset(m, 0, sizeof *m);
    memcpy(m->state, first, sizeof first);
    for (int t = 0; t < n_steps; t++) {
        const struct rng_block u = rng_philox(key, 2, (uint32_t)t, episode, 1);
        float *now = m->state + (ptrdiff_t)t * LINEAR_S;
        int32_t *delta = m->delta + (ptrdiff_t)t * LINEAR_N;
        const double load_before = load;
        load = fmin(100.0, fmax(20.0, load + 40.0 * (rng_open_f64(u.v[0]) - 0.5)));
        m->load[t] = (float)load;
        load = (double)m->load[t];
        delta[0] = linear_delta(now[WEB_DESIRED], u.v[1]);
        delta[1] = linear_delta(now[DB_DESIRED], u.v[2]);
        linear_step(now + LINEAR_S, now, delta, load, t > 0 ? load_before : load, key, (uint32_t)t,
                    episode);
        const struct plant_truth truth = linear_truth(now + LINEAR_S, load, before);
        before = truth.inflight;
        memcpy(m->truth + (ptrdiff_t)t * PLANT_TRUTHS, &truth, sizeof truth);
    }
    m->e = (struct store_episode){.controller = number % 2 == 0 ? "even" : "odd",
                                  .scenario = "linear",
                                  .seed = LINEAR_SEED,
                                  .episode = episode,
                                  .n_steps = n_steps,
                                  .state = m->state,
                                  .delta = m->delta,
                                  .load = m->load,
                                  .truth = m->truth};
}

/* A new store of the episodes [first, last), each changed by `change` (may be NULL). */
static inline void linear_store(const char *path, int first, int last, int n_steps,
                                void (*change)(struct linear_episode *m, int number))
{
    static struct linear_episode m;
    const struct store_header h = linear_header();
    struct store_writer w;
    (void)unlink(path);
    OK(store_create(&w, path, &h));
    for (int i = first; i < last; i++) {
        linear_play(&m, i, n_steps);
        if (change != NULL) {
            change(&m, i);
        }
        OK(store_fixture_put(&w, &h, &m.e));
    }
    OK(store_finish(&w));
}

/* ---- twins of it ---- */

struct twin_fixture {
    struct scene scene;
    struct arena scratch;
    const char *file, *traces, *other;
    int hidden[2];
    struct fit_cfg fit;
    const char *key[2];
    struct twin_cfg use;
    struct twin_model model;
};

static inline int twin_fixture_open(struct twin_fixture *w)
{
    memset(w, 0, sizeof *w);
    const int e = scene_open(&w->scene);
    arena_init(&w->scratch);
    w->file = scene_file(&w->scene, "twin");
    w->traces = scene_file(&w->scene, "twin.traces");
    w->other = scene_file(&w->scene, "other");
    w->hidden[0] = w->hidden[1] = 32;
    w->fit = (struct fit_cfg){.seed = 1,
                              .members = 2,
                              .history = 2,
                              .hidden = w->hidden,
                              .n_hidden = 2,
                              .predict = PREDICT_RESIDUAL,
                              .epochs = 3,
                              .patience = 10,
                              .batch = 32,
                              .lr = 3e-3,
                              .lr_end = 1e-4,
                              .noise_rows = 4096};
    w->key[0] = "desired", w->key[1] = "cpu";
    w->use = (struct twin_cfg){.file = w->file,
                               .lookup = LOOKUP_QUANTISED,
                               .fallback = FALLBACK_MLP,
                               .key = w->key,
                               .n_key = 2,
                               .quantum = 0.5,
                               .successors = 1,
                               .radius = 4.0};
    return e;
}

static inline int twin_fixture_close(struct twin_fixture *w)
{
    arena_release(&w->scratch);
    return scene_close(&w->scene);
}

/* For cmocka. */
static inline int twin_fixture_setup(void **state)
{
    static struct twin_fixture w;
    *state = &w;
    return twin_fixture_open(&w);
}

static inline int twin_fixture_teardown(void **state)
{
    return twin_fixture_close(*state);
}

/* The digest of the store at `path`. */
static inline uint64_t twin_fixture_digest(struct twin_fixture *w, const char *path)
{
    struct store s;
    OK(store_open(&s, &w->scratch, path));
    store_close(&s);
    return s.digest;
}

/* Fits w->model to the store at w->traces. */
static inline void twin_fixture_fit(struct twin_fixture *w)
{
    OK(model_begin(&w->model, &w->scene.arena, w->traces, &w->fit, NULL, &w->scratch));
    for (int i = 0; i < w->fit.members; i++) {
        OK(learn_member(&w->model.ensemble, i, &w->model.data, &w->fit, false, NULL, &w->scratch));
    }
    OK(model_calibrate(&w->model, &w->scene.arena, w->fit.noise_rows, &w->scratch));
}

/* The same, saved as w->file. */
static inline void twin_fixture_save(struct twin_fixture *w)
{
    twin_fixture_fit(w);
    OK(model_save(&w->model, w->file, twin_fixture_digest(w, w->traces), "fit: a test\n"));
}

#endif
