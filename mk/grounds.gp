# gnuplot grounds.gp   writes grounds.svg and grounds.png
set datafile separator comma
set datafile columnheaders
set encoding utf8
set border 3 lw 1 lc rgb '#404040'
set tics nomirror out
set grid ytics lc rgb '#d8d8d8' lw 1 dt 1
do for [format in 'svg png'] {
if (format eq 'svg') {
    set terminal svg size 700,420 font 'Arial,13' background 'white'
} else {
    set terminal pngcairo size 1400,840 font 'Arial,13' fontscale 2 linewidth 2 pointscale 2
}
set output 'grounds.'.format
set xlabel 'seconds, traces and fit included'
set ylabel 'answered in time (DEV, simulator)'
set yrange [0.8:0.92]
set xrange [0:*]
set key bottom right samplen 1.5
plot for [seed = 1:5] 'curves.csv' using \
         (strcol('arm') eq 'cluster' && column('seed') == seed ? column('seconds') : NaN):'compliance' \
         with linespoints lw 1.4 pt 7 ps 0.35 lc rgb '#D55E00' title (seed == 1 ? 'on the simulator, a line a seed' : ''), \
     for [seed = 1:5] 'curves.csv' using \
         (strcol('arm') eq 'twin' && column('seed') == seed ? column('seconds') : NaN):'compliance' \
         with linespoints lw 1.4 pt 7 ps 0.35 lc rgb '#0072B2' title (seed == 1 ? 'in the twin' : '')
unset output
}
