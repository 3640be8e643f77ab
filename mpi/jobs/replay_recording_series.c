/* A recording as series: one for each service and run. See replay_recording_parts.h. */
#include "mpi/jobs/replay_recording_parts.h"

#include "core/base/log.h"

#include <math.h>
#include <string.h>

#define REPLICAS_MAX 1000.0 /* of --max */

static const char *run_name(const struct metrics_table *t, int run, struct arena *arena)
{
    const struct metrics_table_run *r = &t->runs[run];
    const char *name = "";
    for (int i = 0; name != NULL && i < t->n_run_columns; i++) {
        const char *part = r->names[i] != NULL ? r->names[i] : "";
        name = arena_printf(arena, "%s%s%s", name, name[0] != '\0' ? "/" : "", part);
    }
    return name;
}

/* Controllers count pods in integers, and hold as many as --max allows. Infinite ones fail, too. */
static enum err check_value(const struct replays *r, int service, double time_s, int column,
                            double value)
{
    static const char *const names[] = {"", "replicas", "milli-cores of CPU", "calls/s"};
    const double most = column == 1 ? REPLICAS_MAX : 1e12;
    if (isnan(value) || (value >= 0.0 && value <= most)) {
        return ERR_OK;
    }
    log_error("%s: service '%s' at time %.15g has %g %s; expected is 0 to %g", r->table->path,
              r->table->services[service], time_s, value, names[column], most);
    return ERR_FORMAT;
}

/* Samples of a run and service that have any of the columns; in order of time. */
static enum err make_series(struct replay_series *out, const struct replays *r, int service,
                            int run)
{
    const struct metrics_table *t = r->table;
    double *columns[4];
    const int at[4] = {-1, r->replicas, r->cpu, r->rps};
    int n = 0, known = 0;
    for (int i = 0; i < 4; i++) {
        columns[i] = ARENA_NEW(r->arena, t->n_rows, double);
    }
    TRY(arena_error(r->arena));
    for (int i = 0; i < t->n_rows; i++) {
        bool any = false;
        for (int k = 1; t->run[i] == run && k < 4; k++) {
            columns[k][n] = at[k] >= 0 ? metrics_table_at(t, i, service, at[k]) : (double)NAN;
            TRY(check_value(r, service, t->time_s[i], k, columns[k][n]));
            any = any || !isnan(columns[k][n]);
        }
        if (any && (n == 0 || t->time_s[i] > columns[0][n - 1])) {
            columns[0][n] = t->time_s[i];
            known += !isnan(columns[1][n]);
            n++;
        }
    }
    *out = (struct replay_series){.service = t->services[service],
                                  .n = known > 1 ? n : 0,
                                  .time_s = columns[0],
                                  .replicas = columns[1],
                                  .cpu_m = r->cpu >= 0 ? columns[2] : NULL,
                                  .rps = r->rps >= 0 ? columns[3] : NULL};
    return ERR_OK;
}

enum err replays_collect(struct replays *r)
{
    const struct metrics_table *t = r->table;
    r->services = ARENA_NEW(r->arena, t->n_services, struct replayed);
    TRY(arena_error(r->arena));
    for (int i = 0; i < t->n_services; i++) {
        struct replayed s = {.name = t->services[i]};
        s.series = ARENA_NEW(r->arena, t->n_runs, struct replay_series);
        TRY(arena_error(r->arena));
        for (int run = 0; run < t->n_runs; run++) {
            const char *name = run_name(t, run, r->arena);
            struct replay_series *one = &s.series[s.n_series];
            TRY(arena_error(r->arena));
            if (r->cfg->only != NULL && strstr(name, r->cfg->only) == NULL) {
                continue;
            }
            TRY(make_series(one, r, i, run));
            one->run = name;
            s.n_series += one->n > 0;
            s.n_samples += one->n;
        }
        if (s.name[0] != '\0' && s.n_series > 0) {
            r->services[r->n_services++] = s;
        }
    }
    if (r->n_services == 0) {
        log_error("%s: no service has two samples with replicas%s%s; write their number in a "
                  "column kube_deployment_spec_replicas or kube_deployment_status_replicas "
                  "(docs/replay.md)",
                  t->path, r->cfg->only != NULL ? " in a run whose name contains " : "",
                  r->cfg->only != NULL ? r->cfg->only : "");
        return ERR_FORMAT;
    }
    return ERR_OK;
}

int replays_most_replicas(const struct replays *r)
{
    double most = 1.0;
    for (int i = 0; i < r->n_services; i++) {
        for (int k = 0; k < r->services[i].n_series; k++) {
            const struct replay_series *s = &r->services[i].series[k];
            for (int j = 0; j < s->n; j++) {
                most = fmax(most, s->replicas[j]);
            }
        }
    }
    return (int)fmin(most, REPLICAS_MAX);
}

enum err replays_read_columns(struct replays *r)
{
    const struct metrics_table *t = r->table;
    r->replicas = metrics_table_find(t, "desired");
    r->replicas = r->replicas >= 0 ? r->replicas : metrics_table_find(t, "deployed");
    r->cpu = metrics_table_find(t, "cpu");
    r->rps = metrics_table_find(t, "received");
    if (!t->timed || r->replicas < 0) {
        log_error("%s: there are no %s, so there is nothing to compare with; a tidy recording has "
                  "the columns time, service, kube_deployment_status_replicas, "
                  "container_cpu_usage_cores, http_requests_per_second (docs/replay.md)",
                  t->path, !t->timed ? "times" : "replicas");
        return ERR_FORMAT;
    }
    return ERR_OK;
}
