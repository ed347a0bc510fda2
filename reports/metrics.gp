# Columns: row, value, cell. T: name of the metric, unit.
array T[2]
stats NAMES using (T[int($0) + 1] = strcol(1), 0) nooutput
if (WIDE) { set logscale x; set format x PLAIN ? "%g" : "%.0s%c" } else { if (FROM_ZERO) { set xrange [0:*] }; set format x PLAIN ? "%g" : "%.1s%c" }
set yrange [0.2:ROWS + 0.8]
set xlabel T[1].", ".T[2]
unset key
set ytics scale 0 font ",10" noenhanced
plot DATA using 2:1:ytic(strcol(3)) with points pointtype shape(0) pointsize 1.1 linecolor rgb C[1]
set output
