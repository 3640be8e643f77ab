/* The loop of decisions. See serve.h. */
#include "mpi/jobs/serve.h"

#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/log.h"
#include "core/controllers/kinds.h"
#include "mpi/comm/stop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- columns ---- */

const char *serve_column(const struct serve *s, char text[64], int column)
{
    const int n = s->queries.topology->n_services, service = column / SERVICE_FEATURES;
    if (service < n) {
        (void)snprintf(text, 64, "%.40s.%s", s->queries.topology->cfg->services[service].name,
                       service_feature_info[column % SERVICE_FEATURES].name);
    } else {
        (void)snprintf(text, 64, "%s", global_feature_info[column - n * SERVICE_FEATURES].name);
    }
    return text;
}

bool serve_fresh(const struct serve *s, int column)
{
    return plant_age_s(s->plant, 0, column) <= s->cfg.shield.stale_s;
}

void serve_mark_policy(uint8_t *columns, const struct serve *s)
{
    const struct topology *t = &s->x.env_setup.topology;
    const struct method *m = s->policies.sources[0][0].method;
    if (!method_plays_rules(m) && m->kind->reads != NULL) {
        m->kind->reads(columns, m);
        return;
    }
    for (int i = 0; i < t->n_services; i++) {
        for (int f = 0; f < SERVICE_FEATURES; f++) {
            columns[state_service_at(i, (enum service_feature)f)] =
                service_feature_info[f].obs != 0;
        }
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        columns[state_global_at(t->n_services, (enum global_feature)f)] =
            global_feature_info[f].obs != 0;
    }
}

static enum err mark_needed(struct serve *s)
{
    const struct topology *t = &s->x.env_setup.topology;
    const int n = state_size(t->n_services);
    uint8_t *one = ARENA_NEW(&s->arena, 3 * n, uint8_t);
    s->needed = ARENA_NEW(&s->arena, n, uint8_t);
    TRY(arena_error(&s->arena));
    shield_reads(one, t);
    serve_mark_policy(one + n, s);
    controller_khpa.reads(one + 2 * n, &s->cfg.khpa, t);
    for (int i = 0; i < n; i++) {
        s->needed[i] =
            (uint8_t)((one[i] != 0 ? READ_BY_SHIELD : 0) | (one[n + i] != 0 ? READ_BY_POLICY : 0) |
                      (one[2 * n + i] != 0 ? READ_BY_RULE : 0));
    }
    return ERR_OK;
}

/* ---- time ---- */

static double real_now(void *ctx)
{
    (void)ctx;
    return clock_unix_s();
}

/* A signal cuts the sleep short. Unix time may be set while this waits, so the wait is measured by
 * the clock that never goes back. */
static enum err real_wait(void *ctx, double until_s)
{
    (void)ctx;
    const double end_s = clock_s() + (until_s - clock_unix_s());
    while (!stop_requested()) {
        const double left_s = end_s - clock_s();
        if (left_s <= 0.0) {
            return ERR_OK;
        }
        (void)clock_sleep(fmin(left_s, 1.0));
    }
    return ERR_STOPPED;
}

static double past_now(void *ctx)
{
    return ((const struct serve *)ctx)->now_s;
}

static enum err past_wait(void *ctx, double until_s)
{
    struct serve *s = ctx;
    if (stop_requested() || until_s > s->past.end_s + 0.5 * s->past.step_s) {
        return ERR_STOPPED;
    }
    s->now_s = until_s;
    return ERR_OK;
}

/* ---- building ---- */

static enum err read_secret(const char **out, struct arena *arena, const char *path)
{
    struct buf b;
    *out = NULL;
    if (path[0] == '\0') {
        return ERR_OK;
    }
    buf_init(&b);
    enum err e = file_read(&b, path, 65536);
    if (e == ERR_OK) {
        *out = arena_printf(arena, "%.*s", (int)strcspn((const char *)b.data, "\r\n"),
                            (const char *)b.data);
        e = arena_error(arena);
    }
    buf_release(&b);
    return e;
}

static enum err connect(struct serve *s)
{
    const struct prometheus_cfg *p = &s->cfg.prometheus;
    const char *password;
    TRY(read_secret(&password, &s->arena, p->password_file));
    const struct http_cfg http = {.name = "Prometheus",
                                  .url = p->url,
                                  .ca_file = p->ca_file,
                                  .token_file = p->token_file,
                                  .user = p->user,
                                  .password = password,
                                  .insecure = p->insecure,
                                  .connect_s = p->timeout_s,
                                  .total_s = p->timeout_s,
                                  .idle_s = p->timeout_s,
                                  .stopped = stop_requested};
    TRY(http_new(&s->http, &http));
    const struct prom_transport transport = prometheus_over(s->http);
    prometheus_init(&s->prometheus.client, &transport);
    s->prometheus.queries = &s->queries;
    s->prometheus.skew_s = p->skew_s;
    return ERR_OK;
}

static enum err make_controllers(struct serve *s)
{
    const struct env_setup *w = &s->x.env_setup;
    const struct controller_cfg rule = {
        .name = "", .method = {.kind = &controller_khpa.cfg, .params = &s->cfg.khpa}};
    TRY(policies_load(&s->policies, &s->arena, &s->x, POLICIES_ALL, s->typed.run));
    TRY(controller_new(&s->policy, &s->arena, &s->x.cfg.eval.controllers[0], w, &s->x.rules,
                       s->policies.teams[0].teams));
    TRY(controller_new(&s->rule, &s->arena, &rule, w, &s->x.rules, NULL));
    const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    controller_reset(s->policy, &id, NULL);
    controller_reset(s->rule, &id, NULL);
    return ERR_OK;
}

/* Services of the same names may run in several namespaces: those that are measured must be those
 * that are scaled. */
static enum err check_namespace(const struct serve *s)
{
    const char *written = kube_namespace(s->kube), *measured = s->cfg.metrics.namespace;
    if (!queries_ask_namespace(&s->queries) || strcmp(written, measured) == 0) {
        return ERR_OK;
    }
    return cfg_error(&s->reader, "metrics.namespace",
                     "is '%s', and the deployments that would be scaled are in the namespace '%s': "
                     "give the same one to metrics.namespace and kubernetes.namespace",
                     measured, written);
}

/* Of the stages that write: whoever writes must be told apart from whoever else does. */
static enum err connect_kubernetes(struct serve *s)
{
    const struct kubernetes_cfg *c = &s->cfg.kubernetes;
    const int n = s->x.env_setup.topology.n_services;
    struct kube_access access;
    char host[128] = "", identity[KUBE_NAME_BYTES];
    const struct kube_cfg kube = {.name_space = c->namespace[0] != '\0' ? c->namespace : NULL,
                                  .total_s = c->timeout_s,
                                  .stopped = stop_requested};
    if (s->cfg.stage == STAGE_SHADOW) {
        return ERR_OK;
    }
    s->reasons = arena_alloc(&s->arena, (size_t)n, sizeof *s->reasons);
    TRY(arena_error(&s->arena));
    TRY(kube_access_find(&access, &s->arena, c->kubeconfig, c->context));
    TRY(kube_new(&s->kube, &access, &kube));
    TRY(check_namespace(s));
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(identity, sizeof identity, "%s-%ld-%.0f", host, (long)getpid(),
                   1e3 * clock_unix_s());
    return live_kubernetes_init(&s->writes, &s->arena, s->kube, s->queries.services, n, c->lease,
                                identity, c->lease_s, c->timeout_s);
}

static enum err make_plant(struct serve *s)
{
    struct live_setup setup = {.topology = &s->x.env_setup.topology,
                               .cfg = &s->x.cfg.plant,
                               .queries = &s->queries,
                               .reads = live_prometheus_reads(&s->prometheus),
                               .time = {.now_s = real_now, .wait = real_wait}};
    if (s->kube != NULL) {
        setup.writes = live_kubernetes_writes(&s->writes);
    }
    return live_new(&s->plant, &s->arena, &setup);
}

static enum err build(struct serve *s)
{
    TRY(serve_cfg_load(&s->cfg, &s->reader, &s->arena, &s->typed));
    TRY(serve_experiment(&s->x, &s->cfg, &s->typed));
    const struct topology *t = &s->x.env_setup.topology;
    const int n = t->n_services;
    TRY(queries_init(&s->queries, &s->arena, &s->cfg.metrics, t, &s->x.cfg.plant, &s->reader));
    TRY(make_controllers(s));
    TRY(mark_needed(s));
    TRY(gate_init(&s->gate, &s->arena, s->x.env_setup.shield, (enum stage)s->cfg.stage));
    TRY(shadow_init(&s->shadow, &s->arena, t));
    s->fallback.cfg = &s->cfg.fallback;
    s->proposed = ARENA_NEW(&s->arena, n, int32_t);
    s->moved = ARENA_NEW(&s->arena, n, int32_t);
    s->before = ARENA_NEW(&s->arena, state_size(n), float);
    s->before_age = ARENA_NEW(&s->arena, state_size(n), float);
    TRY(arena_error(&s->arena));
    if (s->offline) {
        return ERR_OK;
    }
    TRY(connect(s));
    TRY(connect_kubernetes(s));
    return make_plant(s);
}

static enum err init(struct serve *s, const struct serve_typed *typed, bool offline)
{
    *s =
        (struct serve){.typed = *typed, .csv = {.fd = -1}, .audit = {.fd = -1}, .offline = offline};
    arena_init(&s->arena);
    arena_init(&s->scratch);
    buf_init(&s->page);
    const enum err e = build(s);
    if (e != ERR_OK) {
        serve_release(s);
    }
    return e;
}

enum err serve_init(struct serve *s, const struct serve_typed *typed)
{
    return init(s, typed, false);
}

enum err serve_init_offline(struct serve *s, const struct serve_typed *typed)
{
    return init(s, typed, true);
}

void serve_release(struct serve *s)
{
    health_stop(s->health);
    serve_log_close(s);
    audit_close(&s->audit);
    if (s->plant != NULL && !s->offline) {
        live_release(s->plant);
    }
    kube_free(s->kube);
    if (s->http != NULL) {
        prometheus_release(&s->prometheus.client);
        http_free(s->http);
    }
    if (s->x.path != NULL) {
        experiment_release(&s->x);
    }
    buf_release(&s->page);
    arena_release(&s->scratch);
    arena_release(&s->arena);
}

/* ---- a decision ---- */

static bool inputs_known(const struct serve *s)
{
    for (int i = 0; i < s->plant->n_state; i++) {
        if ((s->needed[i] & READ_BY_POLICY) != 0 && !serve_fresh(s, i)) {
            return false;
        }
    }
    return true;
}

static void say_who(const struct serve *s, const struct serve_decision *d)
{
    char name[64];
    if (!d->by_rule) {
        log_info("decision %lld: the policy decides from now on", (long long)d->number);
    } else if (d->worst == DRIFT_NONE) {
        log_warn("decision %lld: the rule khpa decides from now on (%s)", (long long)d->number,
                 fallback_words(d->reasons));
    } else {
        log_warn("decision %lld: the rule khpa decides from now on (%s; farthest from the traces: "
                 "%s)",
                 (long long)d->number, fallback_words(d->reasons), serve_column(s, name, d->worst));
    }
}

/* Distance and disagreement are those of a state that is known. */
static void judge(struct serve *s, struct serve_decision *d)
{
    const float *state = plant_state(s->plant, 0);
    struct fallback_signals signals = {.distance = (double)NAN,
                                       .threshold = s->drift.threshold,
                                       .spread = (double)NAN,
                                       .unknown = !inputs_known(s)};
    d->worst = DRIFT_NONE;
    if (!signals.unknown && s->has_drift) {
        signals.distance = drift_distance(&s->drift, &d->worst, state);
    }
    if (s->twin != NULL && !signals.unknown) {
        effect_see(&s->effect, state);
        signals.spread = effect_score(&s->effect);
    } else if (s->twin != NULL) {
        effect_forget(&s->effect);
    }
    const bool before = s->fallback.active;
    d->by_rule = fallback_step(&s->fallback, &signals);
    d->reasons = s->fallback.reasons;
    d->distance = signals.distance;
    d->score = signals.spread;
    if (d->by_rule != before) {
        say_who(s, d);
    }
}

/* Both act, so that both remember; the delta of the one that decides is returned in s->proposed. */
static void propose(struct serve *s, bool by_rule)
{
    const float *state = plant_state(s->plant, 0);
    const struct shield_view v = shield_view_of(s->plant, 0);
    const struct topology *t = &s->x.env_setup.topology;
    struct controller *order[2] = {by_rule ? s->policy : s->rule, by_rule ? s->rule : s->policy};
    for (int i = 0; i < 2; i++) {
        order[i]->view = v;
        controller_act(order[i], s->proposed, state);
    }
    for (int i = 0; i < t->n_services; i++) {
        const int desired = controller_desired(state, i);
        s->proposed[i] = controller_clip(&s->x.env_setup, i, desired + s->proposed[i]) - desired;
    }
}

static void remember(struct serve *s)
{
    const size_t bytes = (size_t)s->plant->n_state * sizeof *s->before;
    memcpy(s->before, plant_state(s->plant, 0), bytes);
    for (int i = 0; i < s->plant->n_state; i++) {
        s->before_age[i] = (float)plant_age_s(s->plant, 0, i);
    }
}

void serve_decide(struct serve *s, double time_s, bool blind)
{
    const double began_s = clock_cpu_s();
    struct serve_decision *d = &s->decision;
    const struct shield_view v = shield_view_of(s->plant, 0);
    const int64_t number = d->number + 1;
    *d = (struct serve_decision){.number = number, .time_s = time_s, .blind = blind};
    judge(s, d);
    propose(s, d->by_rule);
    gate_decide(&s->gate, &v, s->proposed);
    const double took_s = clock_cpu_s() - began_s;
    s->cpu.decide_s += took_s;
    s->cpu.decide_most_s = fmax(s->cpu.decide_most_s, took_s);
    s->cpu.n++;
    remember(s);
}

/* ---- the loop ---- */

/* s->moved: how `desired` changed since the decision; false: it is not known of some service, and
 * then of none. */
static bool see_moves(struct serve *s)
{
    const float *state = plant_state(s->plant, 0);
    bool known = true;
    for (int i = 0; i < s->x.env_setup.topology.n_services; i++) {
        const int at = state_service_at(i, SF_DESIRED);
        known = known && isfinite(s->before_age[at]) && isfinite(plant_age_s(s->plant, 0, at));
        s->moved[i] = (int32_t)(state[at] - s->before[at]);
    }
    return known;
}

/* After the period: what came of the decision. In shadow the shield's history takes the cluster's
 * changes for its own. The effects of both are predicted where they differ. */
void serve_look_back(struct serve *s)
{
    const struct gate *g = &s->gate;
    const bool known = see_moves(s);
    const size_t bytes = (size_t)s->x.env_setup.topology.n_services * sizeof *s->moved;
    shadow_add(&s->shadow, g, s->before, known ? s->moved : NULL, s->decision.blind);
    s->shadow.hours = (double)s->shadow.n_decisions * s->x.cfg.plant.period_s / 3600.0;
    if (g->stage == STAGE_SHADOW) {
        gate_executed(&s->gate, known ? s->moved : NULL);
        if (known && s->twin != NULL && memcmp(g->allowed, s->moved, bytes) != 0) {
            effect_compare(&s->effect, g->allowed, s->moved);
        }
    }
}

void serve_written(struct serve *s)
{
    if (s->gate.stage != STAGE_SHADOW) {
        gate_executed(&s->gate, s->moved);
    }
}

/* What the API server did not take was not executed. */
static void note_written(struct serve *s)
{
    const enum err *written = live_written(s->plant);
    for (int i = 0; i < s->x.env_setup.topology.n_services; i++) {
        s->moved[i] = written[i] == ERR_OK ? s->gate.written[i] : 0;
    }
    serve_written(s);
}

/* "asked for by the policy; shield: step" */
static void say_reasons(struct serve *s)
{
    for (int i = 0; s->reasons != NULL && i < s->x.env_setup.topology.n_services; i++) {
        char shield[128];
        serve_name_reasons(shield, sizeof shield, s->gate.verdict.reasons[i]);
        (void)snprintf(s->reasons[i], SERVE_REASON, "asked for by %s%s%s",
                       s->decision.by_rule ? "the rule khpa" : "the policy",
                       shield[0] != '\0' ? "; shield: " : "", shield);
        live_reason(s->plant, i, s->reasons[i]);
    }
}

/* One decision and its period. A record of the decision is on disk before anything is written to
 * the cluster, and one of what came of the writing before the period passes. */
enum err serve_step(struct serve *s)
{
    serve_decide(s, live_report(s->plant)->read_s, !live_report(s->plant)->read_ok);
    say_reasons(s);
    TRY(serve_audit_decision(s));
    TRY(plant_act(s->plant, s->gate.written, NULL, NULL));
    note_written(s);
    TRY(serve_audit_result(s));
    TRY(serve_log_decision(s));
    TRY(serve_publish(s));
    const double began_s = clock_cpu_s();
    TRY(plant_pass(s->plant, s->gate.written, NULL, NULL));
    s->cpu.measure_s += clock_cpu_s() - began_s;
    serve_look_back(s);
    return s->decision.number % SERVE_REPORT_EVERY == 0 ? serve_report(s, false) : ERR_OK;
}

static enum err loop(struct serve *s, int decisions)
{
    const struct episode_id id = {.seed = 1, .split = RNG_DEV};
    enum err e = plant_reset(s->plant, 0, &id, NULL, 1);
    while (e == ERR_OK && (decisions == 0 || s->decision.number < decisions)) {
        e = serve_step(s);
    }
    return e == ERR_STOPPED ? ERR_OK : e;
}

/* The plant reads from the past instead of the present. */
static enum err enter_past(struct serve *s, int minutes)
{
    const double period_s = s->x.cfg.plant.period_s;
    const double end_s = floor(clock_unix_s() / period_s) * period_s;
    const double start_s = end_s - 60.0 * minutes;
    if (s->cfg.stage != STAGE_SHADOW) {
        return cfg_error(&s->reader, "stage",
                         "is %s, and nothing can be written into the past; "
                         "leave --past out, or set stage to shadow",
                         stage_name((enum stage)s->cfg.stage));
    }
    const enum err e =
        live_past_load(&s->past, &s->prometheus, &s->arena, start_s, end_s, period_s);
    if (e != ERR_OK) {
        log_error("the past of Prometheus cannot be read: %s", s->past.all.why);
        return e;
    }
    const struct live_setup setup = {.topology = &s->x.env_setup.topology,
                                     .cfg = &s->x.cfg.plant,
                                     .queries = &s->queries,
                                     .reads = live_past_reads(&s->past),
                                     .time = {.ctx = s, .now_s = past_now, .wait = past_wait}};
    s->now_s = start_s;
    live_release(s->plant);
    s->plant = NULL;
    return live_new(&s->plant, &s->arena, &setup);
}

enum err serve_run(struct serve *s, const struct serve_options *o)
{
    TRY(serve_begin(s));
    if (s->kube != NULL) {
        TRY(live_kubernetes_check(&s->writes));
    }
    if (o->past_min > 0) {
        TRY(enter_past(s, o->past_min));
    } else if (s->cfg.listen[0] != '\0') {
        TRY(health_start(&s->health, s->cfg.listen));
        log_info("metrics: port %d of %s", health_port(s->health), s->cfg.listen);
    }
    TRY(serve_log_open(s, o->dir));
    TRY(serve_audit_open(s));
    log_info("stage %s: a decision every %g s from %s", stage_name((enum stage)s->cfg.stage),
             s->x.cfg.plant.period_s,
             o->past_min > 0 ? "the past of Prometheus" : http_label(s->http));
    const enum err e = loop(s, o->decisions);
    stop_followed();
    if (s->kube != NULL) {
        live_kubernetes_end(&s->writes);
    }
    TRY(e);
    return serve_report(s, true);
}
