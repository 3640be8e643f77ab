/* Simulate a period, show its state, sleep as long as it lasts. See exporter.h. */
#include "mpi/jobs/exporter.h"

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/plant/schema.h"
#include "core/trace/column_def.h"
#include "core/transfer/health.h"
#include "mpi/comm/stop.h"

#include <string.h>

enum { DEAD_PERIODS = 3 };

static enum err put_column(struct buf *out, const struct feature_info *info, const float *values,
                           int stride, const struct topology *t, bool whole)
{
    const struct column_def *def = column_def_find(info->name);
    CHECK(def != NULL);
    TRY(buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", def->prometheus, info->doc,
                   def->prometheus));
    for (int i = 0; i < (whole ? 1 : t->n_services); i++) {
        const double value = (double)values[(ptrdiff_t)i * stride] * def->si;
        if (whole) {
            TRY(buf_printf(out, "%s %.9g\n", def->prometheus, value));
        } else {
            TRY(buf_printf(out, "%s{service=\"%s\"} %.9g\n", def->prometheus,
                           t->cfg->services[i].name, value));
        }
    }
    return ERR_OK;
}

enum err exporter_page(struct buf *out, const float *state, const struct topology *topology)
{
    const int n = topology->n_services;
    for (int f = SF_ID + 1; f < SERVICE_FEATURES; f++) {
        TRY(put_column(out, &service_feature_info[f], state + f, SERVICE_FEATURES, topology,
                       false));
    }
    for (int f = 0; f < GLOBAL_FEATURES; f++) {
        TRY(put_column(out, &global_feature_info[f], state + n * SERVICE_FEATURES + f, 0, topology,
                       true));
    }
    return ERR_OK;
}

struct exporter {
    const struct env_setup *w;
    struct controller *c;
    const struct exporter_options *o;
    struct plant *plant;
    struct health *health;
    struct buf page;
    int32_t *delta; /* (N) */
};

/* Shows the state and waits for the end of the period. */
static enum err show(struct exporter *e)
{
    const double period_s = e->w->cfg.plant->period_s / e->o->speed;
    const double until_s = clock_s() + period_s;
    e->page.len = 0;
    TRY(exporter_page(&e->page, plant_state(e->plant, 0), &e->w->topology));
    TRY(health_set(e->health, &e->page, true, "", DEAD_PERIODS * period_s + 1.0));
    while (!stop_requested() && clock_s() < until_s) {
        const double left_s = until_s - clock_s();
        (void)clock_sleep(left_s < 1.0 ? left_s : 1.0);
    }
    return stop_requested() ? ERR_STOPPED : ERR_OK;
}

static enum err play(struct exporter *e, struct schedule *schedule, const struct episode_id *id)
{
    const struct env_setup *w = e->w;
    schedule_draw(schedule, &w->scenarios[e->o->scenario], id, w->n_seconds);
    controller_reset(e->c, id, schedule);
    TRY(plant_reset(e->plant, 0, id, schedule, w->cfg.horizon));
    for (int t = 0; t < w->cfg.horizon; t++) {
        TRY(show(e));
        const float *state = plant_state(e->plant, 0);
        e->c->view = shield_view_of(e->plant, 0);
        controller_act(e->c, e->delta, state);
        TRY(plant_step(e->plant, e->delta, NULL, NULL));
    }
    return ERR_OK;
}

enum err exporter_run(const struct env_setup *w, struct controller *c,
                      const struct exporter_options *o, struct arena *scratch)
{
    struct exporter e = {.w = w, .c = c, .o = o};
    struct schedule schedule;
    struct episode_id id = o->id;
    e.delta = ARENA_NEW(scratch, w->topology.n_services, int32_t);
    TRY(arena_error(scratch));
    TRY(schedule_init(&schedule, scratch, w->n_seconds));
    TRY(env_setup_plant(&e.plant, scratch, w, PLANT_KIND_CLUSTER, 1));
    TRY(health_start(&e.health, o->listen));
    log_info("metrics of a simulated cluster on port %d of %s; end with SIGTERM or Ctrl-C",
             health_port(e.health), o->listen);
    buf_init(&e.page);
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        err = play(&e, &schedule, &id);
        id.env++;
    }
    health_stop(e.health);
    buf_release(&e.page);
    return err == ERR_STOPPED ? ERR_OK : err;
}
