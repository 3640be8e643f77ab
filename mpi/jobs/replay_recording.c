/* Replaying all runs of a recording. See replay_recording.h. */
#include "mpi/jobs/replay_recording_parts.h"

#include "core/base/log.h"
#include "core/base/number.h"
#include "core/base/timestamp.h"

#include <math.h>
#include <string.h>

/* Requests from REQUEST_LEAST on, each REQUEST_STEP times the one before: 20 m to 1.76 cores. */
enum { LAGS = 7, REQUESTS = 48, LAG_STEP_S = 15, LAG_LEAST_S = -60, CELLS = LAGS * REQUESTS };
#define REQUEST_LEAST 20.0
#define REQUEST_STEP  1.1

/* ---- controllers ---- */

/* "MCPU" or "SERVICE=MCPU": the last one that holds for the service; 0: none does. */
static enum err number_for(double *out, const char *service, const char *option,
                           const char *const *texts, int n)
{
    *out = 0.0;
    for (int i = 0; i < n; i++) {
        const char *equals = strchr(texts[i], '=');
        const size_t n_name = equals != NULL ? (size_t)(equals - texts[i]) : 0;
        double value;
        if (!number_real(&value, equals != NULL ? equals + 1 : texts[i]) || !(value >= 0.001) ||
            value > 1e6) {
            log_error("%s %s: write a number from 0.001 to 1000000, or SERVICE=NUMBER", option,
                      texts[i]);
            return ERR_USAGE;
        }
        if (equals == NULL ||
            (strlen(service) == n_name && memcmp(service, texts[i], n_name) == 0)) {
            *out = value;
        }
    }
    return ERR_OK;
}

static const char *need_text(unsigned needs)
{
    return (needs & CONTROLLER_NEEDS_FORESIGHT) != 0      ? "foresight"
           : (needs & CONTROLLER_NEEDS_ORGANISATION) != 0 ? "agents of its own"
           : (needs & CONTROLLER_NEEDS_TWIN) != 0         ? "a twin"
                                                          : NULL;
}

/* run: the directory of the policy. */
static enum err refuse_policy(const char *controller, const char *run)
{
    log_error("--controller %s: a trained policy decides from the state of all services at once, "
              "and a recording does not hold it; replay a rule, such as khpa or ff. What a policy "
              "would have done in the past that a Prometheus has stored: karma serve %s --past "
              "MINUTES",
              controller, run);
    return ERR_CONFIG;
}

static enum err refuse(const struct controller_cfg *row)
{
    const unsigned needs = controller_kind(row)->needs;
    if ((needs & CONTROLLER_NEEDS_POLICY) != 0) {
        return refuse_policy(controller_label(row), "POLICY");
    }
    if (need_text(needs) != NULL) {
        log_error("--controller %s: it needs %s, which a recording does not give; replay a rule, "
                  "such as khpa or ff",
                  controller_label(row), need_text(needs));
        return ERR_CONFIG;
    }
    return ERR_OK;
}

static enum err make_controller(struct replays *r, struct replayed *s)
{
    const struct replay_recording_cfg *cfg = r->cfg;
    TRY(number_for(&s->request_m, s->name, "--request", cfg->requests, cfg->n_requests));
    TRY(number_for(&s->capacity_rps, s->name, "--capacity", cfg->capacities, cfg->n_capacities));
    const char *text = arena_printf(
        r->arena,
        "topology:\n  services:\n    - {name: service, entry: true, cpu_m: %.17g, capacity_rps: "
        "%.17g, min_replicas: %d, max_replicas: %d, initial_replicas: %d}\n  node_cpu_m: 1e8\n"
        "  node_ram_mib: 1e9\n  limit_ratio: 100\nplant: {period_s: %d}\neval:\n  controllers:\n"
        "    - %s\n",
        s->request_m > 0.0 ? s->request_m : 100.0, s->capacity_rps > 0.0 ? s->capacity_rps : 100.0,
        cfg->min, r->max, cfg->min, cfg->period_s, cfg->controller);
    s->x = ARENA_NEW(r->arena, 1, struct experiment);
    TRY(arena_error(r->arena));
    const struct log_sink sink = log_sink_now();
    TRY(experiment_load_text(s->x, "--controller", text));
    log_set_sink(sink.sink, sink.ctx);
    const struct controller_cfg *row = &s->x->cfg.eval.controllers[0];
    enum err e = refuse(row);
    if (e == ERR_OK) {
        e = controller_new(&s->controller, r->arena, row, &s->x->env_setup, NULL, NULL);
    }
    if (e != ERR_OK) {
        experiment_release(s->x);
        s->x = NULL;
    }
    return e;
}

static bool reads(const struct replayed *s, int column)
{
    const struct controller_cfg *row = &s->x->cfg.eval.controllers[0];
    uint8_t columns[SERVICE_FEATURES + GLOBAL_FEATURES] = {0};
    const struct controller_kind *kind = controller_kind(row);
    if (kind->reads == NULL) {
        return false;
    }
    kind->reads(columns, row->method.params, &s->x->env_setup.topology);
    return columns[column] != 0;
}

static enum err check_reads(const struct replays *r)
{
    const struct replayed *s = &r->services[0];
    const bool cpu = reads(s, SF_HPA_CPU) || reads(s, SF_CPU) || reads(s, SF_UTIL_10S);
    const bool rate = reads(s, SF_RECEIVED) || reads(s, state_global_at(1, GF_ENTRY_10S)) ||
                      reads(s, state_global_at(1, GF_ENTRY_30S));
    if ((cpu && r->cpu < 0) || (rate && r->rps < 0)) {
        log_error("%s: the controller reads the %s, and there is no such column; a tidy recording "
                  "calls it %s",
                  r->table->path, cpu && r->cpu < 0 ? "CPU" : "rate of calls",
                  cpu && r->cpu < 0 ? "container_cpu_usage_cores" : "http_requests_per_second");
        return ERR_FORMAT;
    }
    if (cpu && r->cfg->n_requests == 0 && !r->cfg->fit) {
        log_error("the controller compares CPU with what a pod requests, and a recording does not "
                  "say that; give --request MCPU or --request SERVICE=MCPU (kubectl describe "
                  "deployment), or --fit to find it in the recording");
        return ERR_USAGE;
    }
    if (rate && r->cfg->n_capacities == 0) {
        log_warn("no --capacity is given: a pod is taken to answer 100 calls/s");
    }
    return ERR_OK;
}

/* ---- replaying ---- */

static struct replay_cfg settings(const struct replays *r, const struct replayed *s,
                                  const struct fitted *f)
{
    const double told_m = s->request_m > 0.0 ? s->request_m : 100.0;
    return (struct replay_cfg){.lag_s = f->lag_s,
                               .start_s = r->cfg->start_s,
                               .period_s = r->cfg->period_s,
                               .cpu_scale = told_m / f->request_m};
}

static struct fitted cell(int i)
{
    struct fitted f = {.request_m = REQUEST_LEAST,
                       .lag_s = LAG_LEAST_S + LAG_STEP_S * (i / REQUESTS)};
    for (int k = 0; k < i % REQUESTS; k++) {
        f.request_m *= REQUEST_STEP;
    }
    return f;
}

/* A request that was given stays; then only lags are tried. */
static struct fitted tried(const struct replayed *s, int i)
{
    struct fitted f = cell(i);
    f.request_m = s->request_m > 0.0 ? s->request_m : f.request_m;
    return f;
}

static void measure_cells(const struct replays *r, struct replayed *s)
{
    for (int k = 0; k < s->n_series; k++) {
        for (int i = 0; i < CELLS; i++) {
            const struct fitted f = tried(s, i);
            const struct replay_cfg cfg = settings(r, s, &f);
            struct replay_result one = {0};
            replay_run(&one, NULL, s->controller, &s->series[k], &cfg);
            s->errors[(size_t)k * CELLS + (size_t)i] = one.free.abs;
        }
    }
}

/* The cell with the least error over all runs but `without`; of several that are as good the middle
 * one of the requests, for a recording in which nothing was scaled allows many. */
static struct fitted best_without(const struct replayed *s, int without)
{
    double sums[CELLS], least = INFINITY;
    int n = 0, chosen = 0;
    for (int i = 0; i < CELLS; i++) {
        sums[i] = 0.0;
        for (int k = 0; k < s->n_series; k++) {
            sums[i] += k != without ? s->errors[(size_t)k * CELLS + (size_t)i] : 0.0;
        }
        least = fmin(least, sums[i]);
    }
    for (int i = 0; i < CELLS; i++) {
        n += sums[i] <= least;
    }
    for (int i = 0, seen = 0; i < CELLS; i++) {
        seen += sums[i] <= least;
        if (sums[i] <= least && seen == (n + 1) / 2) {
            chosen = i;
        }
    }
    return tried(s, chosen);
}

static enum err fit(struct replays *r, struct replayed *s)
{
    s->fitted = ARENA_NEW(r->arena, s->n_series, struct fitted);
    s->errors = ARENA_NEW(r->arena, r->cfg->fit ? s->n_series * CELLS : 1, double);
    TRY(arena_error(r->arena));
    if (r->cfg->fit) {
        measure_cells(r, s);
    }
    for (int k = 0; k < s->n_series; k++) {
        s->fitted[k] = r->cfg->fit
                           ? best_without(s, s->n_series > 1 ? k : -1)
                           : (struct fitted){.request_m = s->request_m > 0.0 ? s->request_m : 100.0,
                                             .lag_s = r->cfg->lag_s};
    }
    return ERR_OK;
}

static enum err put_rows(struct replays *r, const struct replay_series *s, const double *free_run)
{
    for (int i = 0; i < s->n; i++) {
        char time[TIMESTAMP_BYTES];
        timestamp_print(time, s->time_s[i]);
        csv_text(&r->csv, s->run);
        csv_text(&r->csv, s->service);
        csv_text(&r->csv, time);
        csv_num(&r->csv, s->replicas[i]);
        csv_num(&r->csv, free_run[i]);
        csv_num(&r->csv, s->cpu_m != NULL ? s->cpu_m[i] : (double)NAN);
        TRY(csv_end_row(&r->csv));
    }
    return ERR_OK;
}

static enum err replay(struct replays *r, struct replayed *s)
{
    TRY(fit(r, s));
    for (int k = 0; k < s->n_series; k++) {
        const struct replay_cfg cfg = settings(r, s, &s->fitted[k]);
        const struct arena_mark mark = arena_mark(r->arena);
        double *free_run = ARENA_NEW(r->arena, s->series[k].n, double);
        TRY(arena_error(r->arena));
        replay_run(&s->result, free_run, s->controller, &s->series[k], &cfg);
        TRY(r->cfg->out != NULL ? put_rows(r, &s->series[k], free_run) : ERR_OK);
        arena_rewind(r->arena, mark);
    }
    return ERR_OK;
}

/* ---- the script ---- */

static enum err run_all(struct replays *r)
{
    for (int i = 0; i < r->n_services; i++) {
        TRY(make_controller(r, &r->services[i]));
    }
    TRY(check_reads(r));
    for (int i = 0; i < r->n_services; i++) {
        TRY(replay(r, &r->services[i]));
    }
    return replays_print(r);
}

enum err replay_recording_run(const struct replay_recording_cfg *cfg, const char *path,
                              struct arena *arena)
{
    static const char *const columns[] = {"run",      "service",  "time",
                                          "recorded", "free_run", "cpu_m"};
    struct metrics_table table;
    struct replays r = {.cfg = cfg, .table = &table, .arena = arena, .csv = {.fd = -1}};
    if (cfg->controller[strcspn(cfg->controller, "/:{\n")] == '/') { /* no method, a directory */
        return refuse_policy(cfg->controller, cfg->controller);
    }
    TRY(metrics_table_read(&table, arena, path));
    TRY(replays_read_columns(&r));
    TRY(replays_collect(&r));
    r.max = cfg->max > 0 ? cfg->max : replays_most_replicas(&r);
    r.max = r.max > cfg->min ? r.max : cfg->min;
    if (cfg->out != NULL) {
        TRY(csv_create(&r.csv, arena, cfg->out, columns, 6));
    }
    enum err e = run_all(&r);
    for (int i = 0; i < r.n_services; i++) {
        if (r.services[i].x != NULL) {
            experiment_release(r.services[i].x);
        }
    }
    if (cfg->out != NULL) {
        csv_close(&r.csv);
    }
    return e;
}
