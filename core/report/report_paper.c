/* The tables of the paper, in our numbers beside the published ones. See report.h, published.h.
 *
 * An arm stands for a row of the paper if its name says so (published_find()). Rows without an arm
 * show the published number alone. */
#include "core/report/published.h"
#include "core/report/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char report_caption_end[] = " (published: another cluster)";

/* A column of ours: a metric of an evaluation in per cent, or as it is. */
struct endpoint {
    int metric;
    double scale;
    int decimals;
    double (*published)(const struct published *p);
};

static double success_of(const struct published *p)
{
    return p->success;
}
static double compliance_of(const struct published *p)
{
    return p->latency_compliance;
}
static double pending_of(const struct published *p)
{
    return p->pending;
}
static double recovery_of(const struct published *p)
{
    return p->recovery_s;
}
static double availability_of(const struct published *p)
{
    return p->availability;
}

static struct stat_interval scaled(const struct stat_interval *v, double scale)
{
    return (struct stat_interval){scale * v->value, scale * v->lo, scale * v->hi};
}

/* ---- Tables II and III ---- */

static enum err add_system(struct report *f, struct table *t, const struct panel_view *v, int arm,
                           const struct published *p, const struct endpoint *columns, int n)
{
    table_text(t, p->name);
    table_text(t, arm >= 0 ? v->cfg.controllers[arm].name : "-");
    table_number(t, arm >= 0 ? (double)panel_view_seeds(v, arm) : (double)NAN);
    for (int k = 0; k < n; k++) {
        struct summary_cell cell = {.value = {NAN, NAN, NAN}};
        if (arm >= 0) {
            TRY(summary_mean(&cell, &v->summary, arm,
                             summary_scenario(&v->summary, v->summary.n_views - 1),
                             columns[k].metric, TWOWAY_MEAN, f->scratch));
        }
        const struct stat_interval ours = scaled(&cell.value, columns[k].scale);
        table_interval(t, &ours, columns[k].decimals);
        table_fixed(t, columns[k].published(p), 1);
    }
    return t->failed;
}

/* *n_arms: how many arms stand for a row. */
static enum err add_systems(struct report *f, struct table *t, int *n_arms,
                            const struct panel_view *v, const struct endpoint *columns, int n)
{
    *n_arms = 0;
    for (int i = 0; i < PUBLISHED; i++) {
        int found = 0;
        for (int arm = 0; arm < v->cfg.n_controllers; arm++) {
            if (published_find(v->cfg.controllers[arm].name) == i) {
                TRY(add_system(f, t, v, arm, &published[i], columns, n));
                found++;
            }
        }
        if (found == 0) {
            TRY(add_system(f, t, v, -1, &published[i], columns, n));
        }
        *n_arms += found;
    }
    return ERR_OK;
}

static const char no_row[] =
    "no arm has the name of a row (khpa, gym_hpa, rlad, aware, single_none, single_hard, "
    "multi_none, multi_soft, multi_hard)";

static enum err evaluation_table(struct report *f, const struct panel *p, int scenario,
                                 const char *id, const char *caption, const char *note,
                                 const char *const *head, const struct endpoint *columns, int n)
{
    const struct arena_mark mark = arena_mark(f->scratch);
    struct panel_view v;
    struct table t;
    int n_arms = 0;
    TRY(panel_view(&v, &n_arms, p, scenario, &f->cfg->view, f->scratch));
    if (n_arms > 0) {
        table_init(&t, f->scratch, head, 3 + 2 * n, 2);
        TRY(add_systems(f, &t, &n_arms, &v, columns, n));
    }
    if (n_arms > 0) {
        page_table(f->page, id, caption, note, &t);
    } else {
        report_lacks(f, caption, no_row);
    }
    arena_rewind(f->scratch, mark);
    return ERR_OK;
}

/* Panels on the simulator are the cluster of this project. */
static const struct panel *simulated(const struct report *f)
{
    for (int i = 0; i < f->n_panels; i++) {
        if (f->panels[i].bounded) {
            return &f->panels[i];
        }
    }
    return f->n_panels > 0 ? &f->panels[0] : NULL;
}

static enum err table_2(struct report *f)
{
    static const char *const head[] = {"system",
                                       "arm",
                                       "seeds",
                                       "success rate %",
                                       "published %",
                                       "latency compliance %",
                                       "published, latency %",
                                       "pending requests %",
                                       "published, pending %"};
    static const struct endpoint columns[] = {
        {METRIC_OF(success), 100, 1, success_of},
        {METRIC_OF(slo_attainment), 100, 1, compliance_of},
        {METRIC_OF(pending), 100, 1, pending_of},
    };
    const char *caption =
        arena_printf(f->arena, "Table II of the paper: operational resilience over all scenarios%s",
                     report_caption_end);
    const struct panel *p = simulated(f);
    TRY(arena_error(f->arena));
    if (p == NULL) {
        report_lacks(f, caption, "there is no evaluation");
        return ERR_OK;
    }
    return evaluation_table(
        f, p, p->n_scenarios > 1 ? OUTCOMES_POOLED : 0, "paper-table-2", caption,
        "Success: answered / received. Latency compliance: SLO attainment. Pending: time mean of "
        "the waiting requests / (received rate x time-out); the paper does not define its own.",
        head, columns, 3);
}

static enum err table_3(struct report *f)
{
    static const char *const head[] = {"system",
                                       "arm",
                                       "seeds",
                                       "recovery s",
                                       "published, recovery s",
                                       "availability %",
                                       "published, availability %"};
    static const struct endpoint columns[] = {
        {METRIC_OF(recovery), 1, 1, recovery_of},
        {METRIC_OF(availability), 100, 1, availability_of},
    };
    const char *caption =
        arena_printf(f->arena, "Table III of the paper: DDoS%s", report_caption_end);
    const struct panel *p = simulated(f);
    TRY(arena_error(f->arena));
    for (int s = 0; p != NULL && s < p->n_scenarios; s++) {
        if (strcmp(p->scenarios[s], "ddos") == 0) {
            return evaluation_table(
                f, p, s, "paper-table-3", caption,
                "Recovery: from the onset of the attack until the service level is met again; 0 if "
                "it was never violated, and cut at the end of the episode.",
                head, columns, 2);
        }
    }
    report_lacks(f, caption, "there is no evaluation in a scenario named ddos");
    return ERR_OK;
}

/* ---- Table IV ---- */

/* The panel with the same episodes in a twin. */
static const struct panel *twin_of(const struct report *f, const struct panel *p)
{
    for (int i = 0; p != NULL && i < f->n_panels; i++) {
        const struct panel *q = &f->panels[i];
        if (!q->bounded && p->bounded && q->seed == p->seed && q->first == p->first &&
            q->n_episodes == p->n_episodes && strcmp(q->split, p->split) == 0) {
            return q;
        }
    }
    return NULL;
}

/* Mean OR of an arm of a panel over the cells that both panels have. */
static double mean_or(const struct panel *p, const struct panel_arm *arm, int scenario)
{
    double sum = 0.0;
    int n = 0;
    for (int i = 0; i < arm->n_seeds; i++) {
        const struct result_cell *c = arm->cells[i * p->n_scenarios + scenario];
        for (int e = 0; c != NULL && e < c->n_episodes; e++) {
            if (isfinite(c->episodes[e].resilience)) {
                sum += c->episodes[e].resilience;
                n++;
            }
        }
    }
    return n > 0 ? sum / n : NAN;
}

static void add_ratio(struct table *t, const char *scenario, const char *arm, double real,
                      double twin)
{
    table_text(t, scenario);
    table_text(t, arm);
    table_fixed(t, real, 3);
    table_fixed(t, twin, 3);
    table_fixed(t, 100.0 * fmin(real, twin) / fmax(real, twin), 1);
}

static enum err table_4(struct report *f)
{
    static const char *const head[] = {"scenario", "arm", "OR, simulator", "OR, twin",
                                       "accuracy %"};
    const char *caption = arena_printf(
        f->arena,
        "Table IV of the paper: accuracy of the twin (published: %.1f %% with, %.1f %% "
        "without the network; another cluster)",
        published_twin_with_mlp, published_twin_without_mlp);
    const struct panel *p = simulated(f), *q = twin_of(f, p);
    struct table t;
    TRY(arena_error(f->arena));
    if (q == NULL) {
        report_lacks(f, caption,
                     "no episodes were played both on the simulator and in a twin "
                     "(karma eval --set eval.plant=twin)");
        return ERR_OK;
    }
    table_init(&t, f->arena, head, 5, 2);
    for (int s = 0; s < p->n_scenarios; s++) {
        for (int i = 0; i < p->n_arms; i++) {
            for (int u = 0; u < q->n_scenarios; u++) {
                for (int j = 0; j < q->n_arms; j++) {
                    if (strcmp(q->scenarios[u], p->scenarios[s]) == 0 &&
                        strcmp(q->arms[j].name, p->arms[i].name) == 0) {
                        const double real = mean_or(p, &p->arms[i], s);
                        const double twin = mean_or(q, &q->arms[j], u);
                        if (isfinite(real) && isfinite(twin)) {
                            add_ratio(&t, p->scenarios[s], p->arms[i].name, real, twin);
                        }
                    }
                }
            }
        }
    }
    page_table(f->page, "paper-table-4", caption,
               "Accuracy: the smaller mean OR over the larger one, of the same arm on the same "
               "episodes. A twin that predicts a constant reaches more than 90 %, so read the "
               "skill of the twin beside it.",
               &t);
    return t.failed;
}

static enum err put_skill(struct report *f)
{
    static const char *const head[] = {"report", "twin", "metric", "decisions ahead", "skill"};
    struct table t;
    table_init(&t, f->arena, head, 5, 3);
    for (int i = 0; i < f->results->n_accuracies; i++) {
        const struct result_accuracy *a = &f->results->accuracies[i];
        table_text(&t, a->path);
        table_text(&t, a->twin);
        table_text(&t, a->metric);
        table_cell(&t, "%d", a->horizon);
        table_fixed(&t, a->skill, 3);
    }
    page_table(f->page, "twin-skill", "Skill of the twins on held-out episodes",
               "1 - gap of the twin / gap of a constant: 0 is no better than the mean, 1 is "
               "exact. A dash: the constant makes no error, either.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, "Skill of the twins",
                     "there is no accuracy.csv (karma twin report TWIN --out DIR writes it)");
    }
    return t.failed;
}

/* ---- Tables V and VI ---- */

static const struct published *system_of(const struct training_group *g)
{
    const int i = published_find(g->arm);
    return i >= 0 ? &published[i] : NULL;
}

static enum err table_5(struct report *f, const struct training_group *groups, int n)
{
    static const char *const head[] = {"arm",       "seeds",    "evaluated",           "converged",
                                       "collapsed", "episodes", "published, episodes", "env-steps"};
    const char *caption =
        arena_printf(f->arena, "Table V of the paper: convergence%s; hours stand in timings.html",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 8, 1);
    for (int i = 0; i < n; i++) {
        const struct training_group *g = &groups[i];
        double *episodes = ARENA_NEW(f->arena, g->n, double);
        double *steps = ARENA_NEW(f->arena, g->n, double);
        int n_evaluated = 0, n_converged = 0, n_collapsed = 0;
        struct stat_interval a, b;
        TRY(arena_error(f->arena));
        for (int k = 0; k < g->n; k++) {
            episodes[k] = g->trainings[k]->converged_episodes;
            steps[k] = g->trainings[k]->converged_steps;
            n_evaluated += g->trainings[k]->evaluated ? 1 : 0;
            n_converged += isfinite(episodes[k]) ? 1 : 0;
            n_collapsed += g->trainings[k]->collapsed ? 1 : 0;
        }
        if (n_evaluated == 0) {
            continue;
        }
        TRY(training_mean(&a, f, g, "episodes until convergence", episodes));
        TRY(training_mean(&b, f, g, "env-steps until convergence", steps));
        table_text(&t, g->name);
        table_cell(&t, "%d", g->n);
        table_cell(&t, "%d", n_evaluated);
        table_cell(&t, "%d", n_converged);
        table_cell(&t, "%d", n_collapsed);
        table_interval(&t, &a, 0);
        table_fixed(&t, system_of(g) != NULL ? system_of(g)->convergence_episodes : NAN, 0);
        table_interval(&t, &b, 0);
    }
    page_table(f->page, "paper-table-5", caption,
               "Converged: three evaluations in a row with at least 80 % of the headroom between "
               "doing nothing and staffing, and 95 % of the last evaluation of the training. Means "
               "over the seeds that did; the others are not counted, so read both columns.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, caption, "no training was evaluated while it ran (train.evaluate.every)");
    }
    return t.failed;
}

static enum err table_6(struct report *f, const struct training_group *groups, int n)
{
    static const char *const head[] = {"arm",         "seeds",       "reward", "over episodes %",
                                       "published %", "over seeds %"};
    const char *caption =
        arena_printf(f->arena, "Table VI of the paper: adaptability, the deviation of the reward%s",
                     report_caption_end);
    struct table t;
    TRY(arena_error(f->arena));
    table_init(&t, f->arena, head, 6, 1);
    for (int i = 0; i < n; i++) {
        const struct training_group *g = &groups[i];
        double *reward = ARENA_NEW(f->arena, g->n, double);
        double *deviation = ARENA_NEW(f->arena, g->n, double);
        struct stat_interval a, b;
        TRY(arena_error(f->arena));
        for (int k = 0; k < g->n; k++) {
            reward[k] = g->trainings[k]->last_reward;
            deviation[k] = 100.0 * g->trainings[k]->last_deviation / fabs(reward[k]);
        }
        TRY(training_mean(&a, f, g, "last reward", reward));
        TRY(training_mean(&b, f, g, "deviation of the reward", deviation));
        table_text(&t, g->name);
        table_cell(&t, "%d", g->n);
        table_interval(&t, &a, 3);
        table_interval(&t, &b, 1);
        table_fixed(&t, system_of(g) != NULL ? system_of(g)->reward_deviation : NAN, 1);
        table_fixed(&t, 100.0 * sqrt(stat_variance(reward, (size_t)g->n)) / fabs(a.value), 1);
    }
    page_table(f->page, "paper-table-6", caption,
               "Of the last 100 episodes of a training: mean reward, and its standard deviation "
               "over episodes in per cent of it; then that of the means of the seeds.",
               &t);
    if (table_n_rows(&t) == 0) {
        report_lacks(f, caption, "there is no training that is done");
    }
    return t.failed;
}

enum err report_paper(struct report *f)
{
    struct training_group *groups;
    int n;
    TRY(training_groups(&groups, &n, f, f->arena));
    TRY(table_2(f));
    TRY(table_3(f));
    TRY(table_4(f));
    TRY(put_skill(f));
    TRY(table_5(f, groups, n));
    TRY(table_6(f, groups, n));
    return report_behaviour(f);
}
