/* Speed of the digital twin, on one core, with the quickstart's services and the networks of the
 * defaults.
 *
 * A step of a tile is timed without a table: eight trajectories that one network predicts. Beside
 * it stand the matrix products of that step alone, in the same run: what is left is inputs, noise,
 * limits. Then the table: a lookup of a decision that was recorded, and of one that was not: a key
 * from a state in the cache, then a search in random places of a table that no cache holds. Last a
 * fit: some passes of one network over a part of the transitions.
 *
 * What is learned has no influence on speed: weights are drawn, transitions too, with the
 * magnitudes of a cluster's. Checked before anything is timed: a tile's states are those
 * of eight trajectories alone, bit by bit; every recorded decision is found, no other one.
 */
#include "core/plant/schema.h"
#include "core/twin/fluid.h"
#include "core/twin/learn.h"
#include "core/twin/twin_batch.h"
#include "mpi/jobs/experiment.h"
#include "tests/bench/bench.h"

enum { ROUNDS = 9, STEPS_OF_EPISODE = 50, QUERIES = 1 << 14 };

struct bench {
    struct experiment x;
    struct arena scratch;
    struct store_header header;
    struct buf topology; /* YAML */
    struct twin_cfg use;
    struct twin_model model;
    struct twin_batch tile;
    int32_t *delta;         /* (TILE, services) */
    float *load;            /* (TILE) */
    int *query;             /* (QUERIES) rows, in no order */
    struct lookup_key *key; /* (QUERIES) */
};

/* ---- transitions ---- */

static enum err describe(struct bench *b)
{
    const int n = b->x.env_setup.topology.n_services;
    const char **services = ARENA_NEW(&b->x.arena, n, const char *);
    b->header = (struct store_header){.services = services,
                                      .columns = experiment_features(&b->x, &b->x.arena),
                                      .truths = plant_truth_names,
                                      .n_services = n,
                                      .n_columns = state_size(n),
                                      .n_truths = PLANT_TRUTHS,
                                      .period_s = b->x.cfg.plant.period_s};
    TRY(arena_error(&b->x.arena));
    for (int i = 0; i < n; i++) {
        services[i] = b->x.cfg.topology.services[i].name;
    }
    TRY(cfg_print_resolved(&b->topology, topology_fields, &b->x.cfg.topology, CFG_ALL));
    TRY(buf_append(&b->topology, "", 1));
    b->header.topology = (const char *)b->topology.data;
    return features_init(&b->model.features, &b->x.arena, &b->header, 2);
}

static float between(uint32_t word, float lo, float hi)
{
    return lo + (hi - lo) * rng_f32(word);
}

static void draw_row(struct dataset *d, int row)
{
    const struct features *s = d->features;
    const struct rng_key key = rng_key(1, RNG_TWIN, RNG_TRAIN);
    float *state = d->state + (ptrdiff_t)row * s->n_state;
    for (int i = 0; i < s->n_state; i += 4) {
        const struct rng_block u = rng_philox(key, (uint32_t)i, (uint32_t)row, 0, 0);
        for (int k = 0; k < 4 && i + k < s->n_state; k++) {
            const bool pods = s->columns[i + k].whole || !s->columns[i + k].learned;
            state[i + k] = pods ? 1.0F + (float)rng_below(u.v[k], 6) : between(u.v[k], 0, 400);
        }
    }
    for (int i = 0; i < s->n_services; i++) { /* all that are asked for exist, as on a cluster */
        const struct pods_columns *c = &s->pods.at[i];
        state[c->deployed] = state[c->ready] = state[c->hpa_ready] = state[c->desired];
        state[c->failed] = state[c->hpa_ignored] = state[c->hpa_missing] = 0.0F;
    }
    const struct rng_block u = rng_philox(key, 1000, (uint32_t)row, 0, 0);
    d->load[row] = between(u.v[0], 100, 600);
    d->delta[(ptrdiff_t)row * s->n_services] = (int32_t)rng_below(u.v[1], 3) - 1;
    d->episode[row] = row / (STEPS_OF_EPISODE + 1);
    for (int i = 0; i < FEATURES_KPIS; i++) {
        d->kpi[(ptrdiff_t)row * FEATURES_KPIS + i] = between(u.v[2], 0, 1);
    }
}

static enum err draw_data(struct bench *b, int n)
{
    struct arena *a = &b->x.arena;
    struct dataset *d = &b->model.data;
    const struct features *s = &b->model.features;
    const int episodes = (n + STEPS_OF_EPISODE - 1) / STEPS_OF_EPISODE;
    const size_t rows = (size_t)episodes * (STEPS_OF_EPISODE + 1);
    *d = (struct dataset){.features = s,
                          .n_episodes = episodes,
                          .n_rows = (int)rows,
                          .episodes = ARENA_NEW(a, episodes, struct dataset_episode),
                          .state = ARENA_NEW(a, rows * (size_t)s->n_state, float),
                          .delta = ARENA_NEW(a, rows * (size_t)s->n_services, int32_t),
                          .attack = ARENA_NEW(a, rows * STORE_ATTACK, int32_t),
                          .load = ARENA_NEW(a, rows, float),
                          .kpi = ARENA_NEW(a, rows * FEATURES_KPIS, float),
                          .episode = ARENA_NEW(a, rows, int)};
    d->at[STORE_TRAIN] = ARENA_NEW(a, rows, int);
    TRY(arena_error(a));
    for (int e = 0; e < episodes; e++) {
        d->episodes[e] = (struct dataset_episode){.first_row = e * (STEPS_OF_EPISODE + 1),
                                                  .n_steps = STEPS_OF_EPISODE};
        for (int t = 0; t <= STEPS_OF_EPISODE; t++) {
            draw_row(d, d->episodes[e].first_row + t);
            if (t < STEPS_OF_EPISODE) {
                d->at[STORE_TRAIN][d->n_at[STORE_TRAIN]++] = d->episodes[e].first_row + t;
            }
        }
    }
    return ERR_OK;
}

/* ---- networks ---- */

/* Weights as before training, a pool of normal residuals in a row. */
static enum err draw_member(struct bench *b, int i)
{
    struct ensemble *e = &b->model.ensemble;
    struct residual_pool *pool = &e->members[i].residuals;
    const struct rng_key key = rng_key(2, RNG_TWIN, RNG_TRAIN);
    TRY(mlp_init_params(&e->mlp, e->members[i].params, 1.4, 0.1, key, (uint32_t)i, &b->scratch));
    TRY(residual_pool_init(pool, &b->x.arena, b->x.cfg.fit.noise_rows, b->model.features.n_target));
    for (int row = 0; row < pool->n; row++) {
        pool->level[row] = 0.02F * ((float)row / (float)pool->n - 0.5F);
        pool->next[row] = row + 1 < pool->n ? row + 1 : RESIDUAL_NONE;
        for (int k = 0; k < b->model.features.n_target; k++) {
            const struct rng_block u = rng_philox(key, (uint32_t)k, (uint32_t)row, (uint32_t)i, 1);
            pool->z[(ptrdiff_t)row * b->model.features.n_target + k] =
                (float)rng_normal(u.v[0], u.v[1]);
        }
    }
    return ERR_OK;
}

static enum err draw_networks(struct bench *b)
{
    const struct fit_cfg *fit = &b->x.cfg.fit;
    struct twin_model *m = &b->model;
    const struct ensemble_shape shape = {.hidden = fit->hidden,
                                         .n_hidden = fit->n_hidden,
                                         .n_members = fit->members,
                                         .residual = fit->predict == PREDICT_RESIDUAL};
    TRY(ensemble_init(&m->ensemble, &b->x.arena, &m->features, &shape));
    TRY(learn_scalers(&m->ensemble, &m->features, &m->data, &b->scratch));
    for (int i = 0; i < fit->members; i++) {
        TRY(draw_member(b, i));
    }
    return ERR_OK;
}

static enum err bench_init(struct bench *b, int n)
{
    struct arena *a = &b->x.arena;
    struct twin_model *m = &b->model;
    b->use = b->x.cfg.twin;
    *m = (struct twin_model){.cfg = &b->use};
    TRY(describe(b));
    TRY(draw_data(b, n));
    dataset_mark_exact(&m->features, &m->data);
    TRY(draw_networks(b));
    const struct lookup_cfg table = {.metrics = (const char *const *)b->use.key,
                                     .n_metrics = b->use.n_key,
                                     .quantum = b->use.quantum};
    TRY(lookup_init(&m->table, a, &m->data, m->data.at[STORE_TRAIN], m->data.n_at[STORE_TRAIN],
                    &table));
    TRY(twin_batch_init(&b->tile, a, m, TILE));
    b->delta = ARENA_NEW(a, TILE * m->features.n_services, int32_t);
    b->load = ARENA_NEW(a, TILE, float);
    b->query = ARENA_NEW(a, QUERIES, int);
    b->key = ARENA_NEW(a, QUERIES, struct lookup_key);
    TRY(arena_error(a));
    for (uint32_t i = 0; i < QUERIES; i++) {
        const uint32_t u = rng_philox(rng_key(3, RNG_TWIN, RNG_TRAIN), i, 0, 0, 0).v[0];
        b->query[i] = m->data.at[STORE_TRAIN][rng_below(u, (uint32_t)m->data.n_at[STORE_TRAIN])];
    }
    return ERR_OK;
}

/* ---- a tile ---- */

static void begin(struct twin_batch *w, int first, const struct bench *b)
{
    for (int i = 0; i < w->n; i++) {
        const struct twin_batch_id id = {rng_key(4, RNG_TWIN, RNG_TRAIN), (uint32_t)(first + i), 0,
                                         1};
        twin_batch_begin(w, i, &id, &b->model.data, b->query[first + i]);
    }
}

static void decide(const struct bench *b, int t)
{
    for (int i = 0; i < TILE; i++) {
        b->load[i] = 200.0F + (float)((t * 7 + i * 31) % 100);
        b->delta[(ptrdiff_t)i * b->model.features.n_services] = (t + i) % 3 - 1;
    }
}

static enum err check_tile(struct bench *b)
{
    const struct features *s = &b->model.features;
    for (int lookup = LOOKUP_NONE; lookup <= LOOKUP_QUANTISED; lookup += LOOKUP_QUANTISED) {
        b->use.lookup = lookup;
        begin(&b->tile, 0, b);
        struct twin_batch alone[TILE];
        for (int i = 0; i < TILE; i++) {
            TRY(twin_batch_init(&alone[i], &b->scratch, &b->model, 1));
            begin(&alone[i], i, b);
        }
        for (int t = 0; t < 40; t++) {
            decide(b, t);
            twin_batch_step(&b->tile, b->delta, NULL, b->load, NULL);
            for (int i = 0; i < TILE; i++) {
                twin_batch_step(&alone[i], b->delta + (ptrdiff_t)i * s->n_services, NULL,
                                b->load + i, NULL);
                if (memcmp(twin_batch_state(&b->tile, i), twin_batch_state(&alone[i], 0),
                           (size_t)s->n_state * sizeof(float)) != 0) {
                    fprintf(stderr, "step %d, trajectory %d: a tile's state is another one\n", t,
                            i);
                    return ERR_MISMATCH;
                }
            }
        }
    }
    return ERR_OK;
}

/* Seconds of a step of a tile, without a table. */
static double time_tile(struct bench *b, int steps)
{
    b->use.lookup = LOOKUP_NONE;
    begin(&b->tile, 0, b);
    decide(b, 0);
    const double start = bench_cpu_s();
    for (int t = 0; t < steps; t++) {
        twin_batch_step(&b->tile, b->delta, NULL, b->load, NULL);
    }
    return (bench_cpu_s() - start) / steps;
}

/* Seconds of its matrix products alone, from layer to layer. */
static double time_products(struct bench *b, int steps)
{
    static _Alignas(64) float x[2][TILE * 8192];
    const struct mlp *net = &b->model.ensemble.mlp;
    const float *params = b->model.ensemble.members[1].params;
    for (int i = 0; i < TILE * net->shape.sizes[0]; i++) {
        x[0][i] = (float)(i % 13) * 0.1F - 0.6F;
    }
    const double start = bench_cpu_s();
    for (int t = 0; t < steps; t++) {
        for (int l = 0; l < net->shape.n_layers; l++) {
            const int k = net->shape.sizes[l], n = net->shape.sizes[l + 1];
            gemm_nn(net->gemm, x[1], n, x[0], k, params + net->w[l], n, params + net->b[l], TILE, k,
                    n);
        }
    }
    return (bench_cpu_s() - start) / steps;
}

static double flop_of(const struct mlp *net)
{
    double n = 0.0;
    for (int l = 0; l < net->shape.n_layers; l++) {
        n += 2.0 * net->shape.sizes[l] * net->shape.sizes[l + 1];
    }
    return n;
}

/* ---- the table ---- */

/* The decision that was recorded at a row, and its key; beside: added to the load, so that nothing
 * is found. */
static struct lookup_key key_at(const struct bench *b, int row, float beside)
{
    const struct dataset *d = &b->model.data;
    const float *states[FEATURES_HISTORY_MAX];
    float loads[FEATURES_HISTORY_MAX + 1];
    dataset_history(states, loads, d, row);
    loads[0] += beside;
    const struct features_decision decision = {.states = states,
                                               .delta = d->delta + (ptrdiff_t)row *
                                                                       b->model.features.n_services,
                                               .attack = d->attack + (ptrdiff_t)row * STORE_ATTACK,
                                               .loads = loads};
    return lookup_key(&b->model.table, &decision);
}

/* Seconds of a key of decisions that are in the cache, as those of a tile are. */
static double time_keys(struct bench *b)
{
    const double start = bench_cpu_s();
    for (int i = 0; i < QUERIES; i++) {
        b->key[i] = key_at(b, b->query[i % TILE], 0.0F);
    }
    return (bench_cpu_s() - start) / QUERIES;
}

/* Seconds of finding one, anywhere in the table. */
static double time_finds(struct bench *b, float beside, int *n_found)
{
    for (int i = 0; i < QUERIES; i++) {
        b->key[i] = key_at(b, b->query[i], beside);
    }
    *n_found = 0;
    const double start = bench_cpu_s();
    for (int i = 0; i < QUERIES; i++) {
        int first = 0;
        *n_found += lookup_find(&b->model.table, &b->key[i], &first) > 0;
    }
    return (bench_cpu_s() - start) / QUERIES;
}

static enum err check_lookups(struct bench *b)
{
    int hits, misses;
    (void)time_finds(b, 0.0F, &hits);
    (void)time_finds(b, 1e6F, &misses);
    if (hits != QUERIES || misses != 0) {
        fprintf(stderr, "%d of %d recorded decisions are found, and %d of others\n", hits, QUERIES,
                misses);
        return ERR_MISMATCH;
    }
    return ERR_OK;
}

/* ---- a fit ---- */

/* FLOP of a transition in a pass: forward, all dW, and dX of all layers but the first; the last one
 * passes the gradients of the means down, half of its columns. */
static double fit_flop(const struct mlp *net)
{
    const int last = net->shape.n_layers - 1;
    const double first = 2.0 * net->shape.sizes[0] * net->shape.sizes[1];
    return 3.0 * flop_of(net) - first - net->shape.sizes[last] * net->shape.sizes[last + 1];
}

/* Seconds for each transition and pass, of the first member, whose weights it changes. */
static enum err time_fit(struct bench *b, double *seconds, int n, int passes)
{
    struct fit_cfg fit = b->x.cfg.fit;
    struct dataset part = b->model.data;
    part.n_at[STORE_TRAIN] = n;
    part.at[STORE_VALIDATION] = part.at[STORE_TRAIN] + n;
    part.n_at[STORE_VALIDATION] = n / 20;
    fit.epochs = fit.patience = passes;
    const double start = bench_cpu_s();
    TRY(learn_member(&b->model.ensemble, 0, &part, &fit, false, NULL, &b->scratch));
    *seconds = (bench_cpu_s() - start) / n / passes;
    return ERR_OK;
}

static enum err report_fit(struct bench *b, bool quick)
{
    enum { FITS = 3 };
    const int n = quick ? 640 : 12800, passes = quick ? 1 : 4, fits = quick ? 1 : FITS;
    double seconds[FITS];
    for (int i = 0; i < fits; i++) {
        TRY(time_fit(b, &seconds[i], n, passes));
    }
    const double flop = fit_flop(&b->model.ensemble.mlp), s = bench_median(seconds, fits);
    bench_row("fit of a network", 1.0 / s, "transitions/s",
              "%.0f %% of peak, %.0f FLOP each; %d passes over %d, validation on %d",
              100.0 * flop / s * 1e-9 / bench_fma_peak(), flop, passes, n, n / 20);
    return ERR_OK;
}

/* ---- the queueing twin ---- */

enum { QUEUES_MAX = 16 };

/* n services of 4 pods each, one calling the next, at 60 % utilisation: what a decision costs does
 * not depend on parameters. */
struct queues {
    struct topology_cfg cfg;
    struct service_cfg services[QUEUES_MAX];
    const char *names[QUEUES_MAX];
    struct topology topology;
    struct queueing queueing;
    struct fluid_net net;
    struct fluid fluid;
};

static enum err make_queues(struct queues *q, struct bench *b, int n)
{
    const struct fluid_cfg fluid = twin_fluid_cfg(&b->x.cfg.twin);
    struct arena *a = &b->scratch;
    q->cfg = b->x.cfg.topology;
    q->cfg.services = q->services;
    q->cfg.n_services = n;
    q->cfg.node_cpu_m = 500.0 * QUEUES_MAX * 10;
    for (int i = 0; i < n; i++) {
        q->names[i] = arena_printf(a, "s%d", i);
        TRY(arena_error(a));
        q->services[i] = b->x.cfg.topology.services[0];
        q->services[i].name = q->names[i];
        q->services[i].entry = i == 0;
        q->services[i].calls = &q->names[i + 1];
        q->services[i].n_calls = i + 1 < n ? 1 : 0;
        q->services[i].initial_replicas = 4;
    }
    TRY(topology_init(&q->topology, a, &q->cfg, NULL));
    TRY(queueing_init(&q->queueing, a, q->names, n));
    for (int i = 0; i < q->queueing.n; i++) {
        q->queueing.params[i] = (struct queueing_param){1.0, 1.0, 1.0};
    }
    for (int i = 0; i < n; i++) {
        q->queueing.params[queueing_at_service(i, QUEUEING_DEMAND)] =
            (struct queueing_param){0.02, 0.02, 0.02};
    }
    TRY(fluid_net_init(&q->net, a, &q->queueing, &q->topology, &b->x.cfg.plant, &fluid));
    return fluid_init(&q->fluid, a, &q->net);
}

/* Seconds of a decision of one environment. */
static double time_queues(struct queues *q, int steps)
{
    static const int32_t none[QUEUES_MAX] = {0};
    struct fluid_load load[256];
    const struct episode_id id = {.seed = 1, .split = RNG_TRAIN};
    const double rps = 0.6 * 4.0 * q->services[0].cpu_m * 1e-3 / 0.02;
    for (int i = 0; i < q->net.n_steps; i++) {
        load[i] = (struct fluid_load){rps, 1.0};
    }
    fluid_begin(&q->fluid, &id, rps);
    const double start = bench_cpu_s();
    for (int t = 0; t < steps; t++) {
        fluid_period(&q->fluid, none, load);
    }
    return (bench_cpu_s() - start) / steps;
}

static enum err report_queues(struct bench *b, int rounds, int steps)
{
    static struct queues q[2];
    double four[ROUNDS], sixteen[ROUNDS];
    TRY(make_queues(&q[0], b, 4));
    TRY(make_queues(&q[1], b, 16));
    for (int r = 0; r < rounds; r++) {
        four[r] = time_queues(&q[0], steps);
        sixteen[r] = time_queues(&q[1], steps);
    }
    const double four_s = bench_median(four, rounds), sixteen_s = bench_median(sixteen, rounds);
    bench_row("queueing twin", four_s * 1e6, "us/decision",
              "4 services of 4 pods; 16 services: %.1f times as long", sixteen_s / four_s);
    return ERR_OK;
}

/* ---- the report ---- */

static enum err bench_run(struct bench *b, const struct bench_options *o)
{
    const int n = o->quick ? 2000 : 200000, steps = o->quick ? 10 : 3000;
    const int rounds = o->quick ? 1 : ROUNDS;
    double tile[ROUNDS], products[ROUNDS], share[ROUNDS];
    double key[ROUNDS], hit[ROUNDS], miss[ROUNDS];
    int found;
    TRY(bench_init(b, n));
    TRY(check_tile(b));
    TRY(check_lookups(b));
    for (int r = 0; r < rounds; r++) { /* in turns: a disturbance hits all of them */
        tile[r] = time_tile(b, steps);
        products[r] = time_products(b, steps);
        share[r] = 100.0 * products[r] / tile[r];
        key[r] = time_keys(b);
        hit[r] = key[r] + time_finds(b, 0.0F, &found);
        miss[r] = key[r] + time_finds(b, 1e6F, &found);
    }
    const struct mlp *net = &b->model.ensemble.mlp;
    const double step_s = bench_median(tile, rounds), products_s = bench_median(products, rounds);
    const struct bench_range part = bench_range(share, rounds);
    const double transitions = b->model.data.n_at[STORE_TRAIN];
    const struct features *s = &b->model.features;
    const double row_bytes = 4.0 * (s->n_state + s->n_services + STORE_ATTACK + 1 + s->n_kpis);
    bench_row("twin, without a table", TILE / step_s, "env-steps/s",
              "%d trajectories a step, %d inputs, %d outputs, %.0f FLOP each", TILE, s->n_in,
              2 * s->n_target, flop_of(net));
    bench_row("its matrix products alone", TILE * flop_of(net) / products_s * 1e-9, "GF/s",
              "%d rows; %.0f %% of the FMA peak", TILE,
              TILE * flop_of(net) / products_s * 1e-7 / bench_fma_peak());
    bench_row("their share of a step", part.median, "%",
              "%.1f to %.1f; the rest: inputs, noise, limits", part.least, part.most);
    bench_row("lookup, recorded", bench_median(hit, rounds) * 1e9, "ns",
              "of %.0f transitions; %.0f ns of it for the key of %d columns", transitions,
              bench_median(key, rounds) * 1e9, b->model.table.n_columns);
    bench_row("lookup, not recorded", bench_median(miss, rounds) * 1e9, "ns", "the same");
    bench_row("table", (double)b->model.table.bytes / transitions, "MB/M transitions",
              "beside %.0f MB/M for the transitions themselves", row_bytes);
    TRY(report_fit(b, o->quick));
    TRY(report_queues(b, rounds, steps));
    bench_checked(
        "a tile's states are those of %d trajectories alone, bit by bit; all recorded decisions "
        "are found, no others; medians of %d, CPU time",
        TILE, rounds);
    return ERR_OK;
}

int main(int argc, char **argv)
{
    static struct bench b;
    const struct bench_options o = bench_options(argc, argv);
    bench_title("Digital twin, one core, quickstart's services, five networks of 3 x 128");
    enum err e = experiment_load(&b.x, "configs/experiments/warm_start.yaml", NULL, 0);
    if (e == ERR_OK) {
        arena_init(&b.scratch);
        buf_init(&b.topology);
        e = bench_run(&b, &o);
        buf_release(&b.topology);
        arena_release(&b.scratch);
        experiment_release(&b.x);
    }
    return err_exit_code(e);
}
