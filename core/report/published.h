/* The numbers of the paper (arXiv 2505.21559, Tables II to VII), to stand beside ours.
 *
 * They were measured on another cluster, with loads, attacks and episodes that the paper does not
 * give, as means over 10 runs without intervals. So they say in which order the systems stood
 * there, and not which values must be reached here.
 */
#ifndef KARMA_REPORT_PUBLISHED_H
#define KARMA_REPORT_PUBLISHED_H

/* A system of the paper. NaN: the paper has no number. Per cent, but where a unit is named. */
struct published {
    const char *name;
    const char *const *arms; /* names of arms here that stand for it; ends with NULL */
    double success, latency_compliance, pending; /* Table II, all scenarios */
    double recovery_s, availability;             /* Table III, DDoS */
    double convergence_episodes, training_h;     /* Table V */
    double reward_deviation;                     /* Table VI, mixed scenario */
    double alignment, purity;                    /* Table VII */
};
enum { PUBLISHED = 9 };
extern const struct published published[PUBLISHED];

/* Table IV. */
extern const double published_twin_without_mlp, published_twin_with_mlp;

/* The system that an arm stands for: its name in small letters, with blanks for '_' and '-', is one
 * of its names. -1: none. */
int published_find(const char *arm);

#endif
