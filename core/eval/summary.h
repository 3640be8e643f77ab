/* What an evaluation says: means with intervals, and differences between controllers.
 *
 * Every mean is over training seeds and episodes, every interval resamples both
 * (core/base/twoway.h), so it covers another training and other episodes. Differences are taken on
 * common episodes. Pure function of the rows and the configuration. */
#ifndef KARMA_EVAL_SUMMARY_H
#define KARMA_EVAL_SUMMARY_H

#include "core/base/twoway.h"
#include "core/eval/outcomes.h"

/* One number of a table. No episode had one: n = 0 and the interval is NaN. */
struct summary_cell {
    struct stat_interval value;
    int n;       /* episodes it rests on (of each training seed) */
    int skipped; /* episodes left out because the metric is not defined there */
};

/* Reference minus the other controller, on common episodes. */
struct summary_gap {
    struct summary_cell slo_attainment, vcpu_h;
    struct summary_cell better; /* probability that the reference answers more in time */
};

struct summary {
    struct outcomes outcomes;
    const struct eval_cfg *cfg;
    const struct scenario_cfg *scenarios; /* (outcomes.n_scenarios) */
    int n_views;           /* scenarios, and the pooled one if there is more than one */
    const int *shown;      /* (n_shown) controllers that are reported */
    const int *references; /* (n_references) of the shown ones */
    int n_shown, n_references;
    struct summary_cell *cells; /* (n_shown, n_views, METRIC_COUNT) */
    struct summary_cell *iqms;  /* (n_shown, n_views) interquartile mean of slo_attainment */
    struct summary_gap *gaps;   /* (n_references, n_shown, n_views) */
    const int *n_empty; /* (n_views) episodes that are not scored (episode_metrics.h): most of any
                                   controller, shown or not */
};

/* `s->outcomes` is made from the rows. Controllers with `show: false` have no cells.
 * References: the shown controllers of the name eval.reference; if none has it, those of the kind
 * of that name; if there is none, the first. scratch is rewound. */
enum err summary_init(struct summary *s, struct arena *arena, const struct eval_cfg *cfg,
                      const struct scenario_cfg *scenarios, int n_scenarios,
                      const struct eval_row *rows, int n_rows, struct arena *scratch) WARN_UNUSED;

/* The same without any number (cells, iqms, gaps, n_empty are NULL), for who wants few of many:
 * summary_mean() and summary_difference() give them one by one, from the same draws. */
enum err summary_begin(struct summary *s, struct arena *arena, const struct eval_cfg *cfg,
                       const struct scenario_cfg *scenarios, int n_scenarios,
                       const struct eval_row *rows, int n_rows) WARN_UNUSED;

/* A statistic (TWOWAY_MEAN or TWOWAY_IQM) of a controller, shown or not, in a scenario or
 * OUTCOMES_POOLED. scratch is rewound. */
enum err summary_mean(struct summary_cell *out, const struct summary *s, int controller,
                      int scenario, int metric, enum twoway_statistic what,
                      struct arena *scratch) WARN_UNUSED;

/* Of controller a minus b (TWOWAY_MEAN), or the probability that a is better
 * (TWOWAY_IMPROVEMENT), on common episodes. scratch is rewound. */
enum err summary_difference(struct summary_cell *out, const struct summary *s, int a, int b,
                            int scenario, int metric, enum twoway_statistic what,
                            struct arena *scratch) WARN_UNUSED;

/* Scenario of a view: its index, or OUTCOMES_POOLED. */
int summary_scenario(const struct summary *s, int view);
const char *summary_scenario_name(const struct summary *s, int scenario); /* pooled: "(all)" */
const struct summary_cell *summary_cell(const struct summary *s, int shown, int view, int metric);
const struct summary_cell *summary_iqm(const struct summary *s, int shown, int view);
const struct summary_gap *summary_gap(const struct summary *s, int reference, int shown, int view);

/* The stream (stat_stream) of a statistic of controller a, or of a against b, in a scenario (or
 * OUTCOMES_POOLED). SUMMARY_NONE: a is left out where the number is not about a controller, b
 * where it is about one alone. A claim and the table of differences name the same number alike, so
 * they draw the same resamples. */
enum { SUMMARY_NONE = -1 };
uint32_t summary_stream(const struct summary *s, const char *statistic, int a, int b, int scenario,
                        int metric);

/* Settings of the bootstrap: eval.resamples, confidence and seed, and the stream of the number. */
struct stat_cfg summary_bootstrap(const struct eval_cfg *cfg, uint32_t stream);

#endif
