#include "lieq/report/page.h"

#include <algorithm>

#include <fmt/format.h>

#include "lieq/base/labels.h"
#include "lieq/report/page_parts.h"
#include "lieq/report/style.h"

namespace lieq::report {
namespace {

constexpr const char* kSpeed = "Speed";

std::string table_html(const Table& table, const std::string& name) {
  std::vector<bool> numbers(table.head.size(), true);  // columns of numbers end at the right
  for (const auto& row : table.rows)
    for (std::size_t c = 0; c < row.size() && c < numbers.size(); ++c)
      if (row[c].value.empty() && row[c].text != "–") numbers[c] = false;
  std::string html = fmt::format("<table data-name=\"{}\"><thead><tr>", escaped(name));
  for (std::size_t c = 0; c < table.head.size(); ++c)
    html += fmt::format("<th{}>{}</th>", numbers[c] ? " class=\"n\"" : "", escaped(table.head[c]));
  html += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) {
      html += c < numbers.size() && numbers[c] ? "<td class=\"n\"" : "<td";
      if (!row[c].value.empty()) html += fmt::format(" data-value=\"{}\"", escaped(row[c].value));
      html += fmt::format(">{}</td>", escaped(row[c].text));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table>";
}

std::string details(const std::string& title, const std::string& inside) {
  return fmt::format("<details><summary>{}</summary><div class=\"scroll\">{}</div></details>\n", escaped(title),
                     inside);
}

std::string panels_html(const std::vector<Panel>& panels, const std::string& kinds) {
  std::string html = fmt::format("<div class=\"panels{}\">\n", kinds);
  for (const Panel& panel : panels)
    html +=
        fmt::format("<svg class=\"panel\" viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
                    panel.width, panel.height, escaped(panel.label), panel.body);
  return html + "</div>\n";
}

std::string legend_html(const std::vector<LegendEntry>& legend) {
  if (legend.empty()) return "";
  std::string html = "<div class=\"legend\">";
  for (const LegendEntry& entry : legend) {
    LegendEntry bare = entry;
    bare.text.clear();
    double height = 0;
    html += fmt::format("<span><svg width=\"24\" height=\"20\" aria-hidden=\"true\">{}</svg>{}</span>\n",
                        legend_svg({bare}, 100, height), escaped(entry.text));
  }
  return html + "</div>\n";
}

std::string figure_html(const Figure& figure) {
  std::string html = fmt::format("<figure id=\"{}\">\n<figcaption><h3>{}</h3>", figure.id, escaped(figure.title));
  if (!figure.text.empty()) html += fmt::format("<p>{}</p>", escaped(figure.text));
  html += "</figcaption>\n" + legend_html(figure.legend);
  const std::string one = figure.columns == 1 ? " one" : "";
  html += panels_html(figure.panels, figure.narrow.empty() ? one : one + " desk");
  if (!figure.narrow.empty()) html += panels_html(figure.narrow, one + " phone");
  if (!figure.note.empty()) html += fmt::format("<p class=\"note\">{}</p>\n", escaped(figure.note));
  for (std::size_t i = 0; i < figure.tables.size(); ++i)
    html += details(figure.tables[i].title, table_html(figure.tables[i], fmt::format("{}-{}", figure.id, i + 1)));
  return html + "</figure>\n";
}

/// heading: empty if the page says it already.
std::string section_html(const Section& section, const std::string& heading, const std::string& id) {
  std::string html = fmt::format("<section id=\"{}\">\n", id);
  if (!heading.empty()) html += fmt::format("<h2>{}</h2>\n", escaped(heading));
  if (!section.tiles.empty()) {
    html += "<div class=\"tiles\">\n";
    for (const Tile& tile : section.tiles)
      html += fmt::format("<div class=\"tile\"><span class=\"name\">{}</span><b>{}</b><span>{}</span></div>\n",
                          escaped(tile.name), escaped(tile.value), escaped(tile.text));
    html += "</div>\n";
  }
  for (const Figure& figure : section.figures) html += figure_html(figure);
  return html + "</section>\n";
}

std::string provenance_html(const std::vector<Source>& sources, const PageOptions& options) {
  std::string html = "<section id=\"provenance\">\n<h2>Where the numbers are from</h2>\n";
  html += fmt::format("<p>lieq {}: <code>{}</code></p>\n", escaped(options.version), escaped(options.command));
  for (const Source& source : sources) {
    Table table{.title = "", .head = {"setting", "value"}, .rows = {}};
    for (const auto& [name, value] : source.settings) table.rows.push_back({name, value});
    const std::string title = fmt::format("{}: {}, {}", source.file, source.kind, bytes_text(source.bytes));
    html += fmt::format("<div class=\"wrap\">{}</div>\n", details(title, table_html(table, "settings")));
  }
  return html + "</section>\n";
}

std::string title_of(const std::vector<Section>& sections) {
  std::string title;
  for (const Section& section : sections)
    if (section.title != kSpeed || sections.size() == 1) title += (title.empty() ? "" : ", ") + section.title;
  return title;
}

}  // namespace

std::vector<Section> sections_of(const Results& results) {
  std::vector<Section> sections;
  for (const Subject& subject : subjects_of(results)) {
    Section section{subject.label, tiles_of(subject), {}};
    for (const auto make : {&quality_figures, &sweep_figures, &diagnosis_figures, &plan_figures, &loss_figures}) {
      std::vector<Figure> figures = make(subject);
      std::move(figures.begin(), figures.end(), std::back_inserter(section.figures));
    }
    if (!section.figures.empty()) sections.push_back(std::move(section));
  }
  if (sections.size() > 1) {
    for (std::size_t s = 0; s < sections.size(); ++s)
      for (Figure& figure : sections[s].figures) figure.id = fmt::format("model-{}-{}", s + 1, figure.id);
  }
  if (Section speed{kSpeed, {}, speed_figures(results)}; !speed.figures.empty()) sections.push_back(std::move(speed));
  return sections;
}

std::string html_page(const std::vector<Section>& sections, const std::vector<Source>& sources,
                      const PageOptions& options) {
  const std::string title = title_of(sections);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n";
  html +=
      fmt::format("<title>{}</title>\n<style>{}{}</style>\n</head>\n<body>\n", escaped(title), kPageStyle, svg_style());
  html += fmt::format(
      "<header>\n<h1>{}</h1>\n<p class=\"quiet\">Layer-wise mixed-width quantisation, measured with lieq {}</p>\n<nav>",
      escaped(title), escaped(options.version));
  for (const Section& section : sections) {
    if (sections.size() > 1) html += fmt::format("<b>{}</b>\n", escaped(section.title));
    for (const Figure& figure : section.figures)
      html += fmt::format("<a href=\"#{}\">{}</a>\n", figure.id, escaped(figure.menu));
  }
  html += "<a href=\"#provenance\">Sources</a></nav>\n</header>\n<main>\n";
  for (std::size_t s = 0; s < sections.size(); ++s) {
    html += section_html(sections[s], sections[s].title == title ? "" : sections[s].title,
                         fmt::format("section-{}", s + 1));
  }
  html += provenance_html(sources, options) + "</main>\n<footer></footer>\n";
  return html + "<script>" + kPageScript + "</script>\n</body>\n</html>\n";
}

}  // namespace lieq::report
