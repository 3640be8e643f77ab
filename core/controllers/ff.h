/* Parameters of ff, the feed-forward staffing. What they do: ff.c. */
#ifndef KARMA_CONTROLLERS_FF_H
#define KARMA_CONTROLLERS_FF_H

struct ff_params {
    double utilisation; /* staffing never plans above this */
    double wait_share;  /* of latency_max a call may take at one service */
    double growth;      /* look-ahead: multiplies the trend of the entry rate */
    double down_s;      /* holds the largest plan of this long */
};

#endif
