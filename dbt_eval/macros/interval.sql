{#
  Half the 95 % confidence interval of a mean by Student's t: t(.975, n - 1) * s / sqrt(n). Null for one value, and where
  all are equal: they do not tell how far another would be from them.
#}
{% macro margin_of_mean(column) %}
    case
        when min({{ column }}) < max({{ column }})
            then {{ students_t('count(*) - 1') }} * stddev_samp({{ column }}) / sqrt(count(*))
    end
{% endmacro %}

{#
  The quantile t(.975, degrees): up to 30 degrees of freedom from the table, beyond by its expansion around the normal
  quantile (Abramowitz & Stegun 26.7.5), which is right to four digits there.
#}
{% macro students_t(degrees) %}
    {%- set table = [
        12.7062, 4.30265, 3.18245, 2.77645, 2.57058, 2.44691, 2.36462, 2.30600, 2.26216, 2.22814,
        2.20099, 2.17881, 2.16037, 2.14479, 2.13145, 2.11991, 2.10982, 2.10092, 2.09302, 2.08596,
        2.07961, 2.07387, 2.06866, 2.06390, 2.05954, 2.05553, 2.05183, 2.04841, 2.04523, 2.04227,
    ] -%}
    coalesce(
        (array{{ table }}::float8[])[({{ degrees }})::integer],
        1.959964 + 2.372271 / ({{ degrees }}) + 2.822499 / ({{ degrees }}) ^ 2
    )
{% endmacro %}
