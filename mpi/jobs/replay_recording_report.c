/* How controller and recording agree, as tables. See replay_recording_parts.h. */
#include "mpi/jobs/replay_recording_parts.h"

#include "core/report/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

static void put_error(struct table *t, const struct replay_error *e, bool share)
{
    table_cell(t, "%.3f", replay_mean_abs(e));
    if (share) {
        table_cell(t, "%.1f %%", 100.0 * replay_share_equal(e));
    }
}

static void put_line(struct table *t, const char *name, const struct replay_result *r)
{
    table_text(t, name);
    table_cell(t, "%" PRId64, r->open.n);
    put_error(t, &r->open, true);
    put_error(t, &r->stay, true);
    put_error(t, &r->free, true);
    put_error(t, &r->first, true);
    table_cell(t, "%" PRId64, r->n_moves);
    table_cell(t, "%" PRId64, r->n_moves_met);
    table_cell(t, "%" PRId64, r->n_moves_missed);
    table_cell(t, "%" PRId64, r->n_moves_made);
}

static enum err print_errors(const struct replays *r)
{
    static const char *const head[] = {"service", "samples",  "open loop", "equal",  "stay",
                                       "equal",   "free run", "equal",     "first",  "equal",
                                       "changes", "met",      "missed",    "made up"};
    struct table t;
    struct replay_result sum = {0};
    table_init(&t, r->arena, head, sizeof head / sizeof *head, 1);
    for (int i = 0; i < r->n_services; i++) {
        put_line(&t, r->services[i].name, &r->services[i].result);
        replay_add(&sum, &r->services[i].result);
    }
    put_line(&t, "all", &sum);
    return table_show(&t);
}

static enum err print_fitted(const struct replays *r)
{
    static const char *const head[] = {"service", "request from", "to", "lag from", "to"};
    struct table t;
    table_init(&t, r->arena, head, sizeof head / sizeof *head, 1);
    for (int i = 0; i < r->n_services; i++) {
        const struct replayed *s = &r->services[i];
        struct fitted lo = s->fitted[0], hi = s->fitted[0];
        for (int k = 1; k < s->n_series; k++) {
            lo.request_m = fmin(lo.request_m, s->fitted[k].request_m);
            hi.request_m = fmax(hi.request_m, s->fitted[k].request_m);
            lo.lag_s = fmin(lo.lag_s, s->fitted[k].lag_s);
            hi.lag_s = fmax(hi.lag_s, s->fitted[k].lag_s);
        }
        table_text(&t, s->name);
        table_cell(&t, "%.0f m", lo.request_m);
        table_cell(&t, "%.0f m", hi.request_m);
        table_cell(&t, "%.0f s", lo.lag_s);
        table_cell(&t, "%.0f s", hi.lag_s);
    }
    printf("\nfound for each run in all other runs:\n");
    return table_show(&t);
}

/* What limits the comparison, as far as the recording shows it. */
static void print_limits(const struct replays *r)
{
    int64_t samples = 0, no_cpu = 0, still = 0, series = 0;
    for (int i = 0; i < r->n_services; i++) {
        const struct replayed *s = &r->services[i];
        for (int k = 0; k < s->n_series; k++) {
            const struct replay_series *one = &s->series[k];
            bool moves = false;
            for (int j = 0; j < one->n; j++) {
                no_cpu += one->cpu_m == NULL || isnan(one->cpu_m[j]);
                moves = moves || (one->replicas[j] > one->replicas[0]) ||
                        one->replicas[j] < one->replicas[0];
            }
            samples += one->n;
            still += !moves;
            series++;
        }
    }
    printf("\nlimits:\n- samples are %.9g s apart, decisions %d s: what the autoscaler saw between "
           "two samples is a line between them\n",
           r->table->spacing_s, r->cfg->period_s);
    printf("- %" PRId64 " of %" PRId64
           " series never change their replicas: staying is right there\n",
           still, series);
    if (no_cpu > 0) {
        printf("- %" PRId64 " of %" PRId64 " samples have no CPU: the neighbours stand for them\n",
               no_cpu, samples);
    }
    printf(
        "- readiness of pods is not recorded: added pods count as ready after %d s (--start)\n"
        "- the recommendations before a run began are not recorded: the replicas found stand for "
        "them\n- free running, the recorded load and CPU stay as they were, whatever the "
        "replicas\n",
        r->cfg->start_s);
}

enum err replays_print(const struct replays *r)
{
    TRY(print_errors(r));
    TRY(r->cfg->fit ? print_fitted(r) : ERR_OK);
    print_limits(r);
    return ERR_OK;
}
