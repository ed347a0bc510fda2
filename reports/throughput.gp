# A curve per series. Columns: x, rate, low, high. T: names of series, then of the x axis, then the unit.
array T[SERIES + 2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
set logscale x 2
set xtics (1)
unset xtics
set for [i = 1:words(TICS)] xtics add (word(TICS, i) word(TICS, i) + 0) nomirror out textcolor rgb ink
set xlabel T[SERIES + 1]
set ylabel T[SERIES + 2]
if (WIDE) { set logscale y; set yrange [*:*] } else { set yrange [0:*] }
set offsets graph 0.03, graph 0.03, graph 0.05, 0
set key outside right center vertical samplen 2.5
plot for [i = 0:SERIES - 1] DATA index i using 1:2:3:4 with yerrorlines linewidth 2 pointtype shape(i) pointsize 0.9 linecolor rgb colour(i) title T[i + 1]
set output
