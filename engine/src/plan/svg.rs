//! Draws a plan as SVG: a column per depth, edge tier above the cut, cloud tier below, deltas going back dashed.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::{PlanNode, PlanReport};
use crate::pipeline::Tier;

const BOX_WIDTH: usize = 150;
const BOX_HEIGHT: usize = 44;
const GAP_X: usize = 60;
const GAP_Y: usize = 24;
const MARGIN: usize = 30;

/// Where each node stands: its top left corner.
type Places<'a> = HashMap<&'a str, (usize, usize)>;

/// The plan as an SVG document.
pub fn draw(report: &PlanReport) -> String {
    let depth = depths(report);
    let edge_rows = rows(report, &depth, Tier::Edge);
    let cloud_rows = rows(report, &depth, Tier::Cloud);
    let cut_y = MARGIN + edge_rows * (BOX_HEIGHT + GAP_Y) + GAP_Y / 2;
    let places = places(report, &depth, cut_y);
    let width = MARGIN * 2 + (depth.values().max().copied().unwrap_or(0) + 1) * (BOX_WIDTH + GAP_X);
    let height = cut_y + GAP_Y + cloud_rows * (BOX_HEIGHT + GAP_Y) + MARGIN;
    let mut out = String::new();
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="12">"#
    );
    out.push_str(r##"<defs><marker id="a" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#555"/></marker></defs>"##);
    let _ = writeln!(out, "\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
    let _ = writeln!(out, r##"<line x1="0" y1="{cut_y}" x2="{width}" y2="{cut_y}" stroke="#c33" stroke-dasharray="8 4"/>"##);
    let _ =
        writeln!(out, r##"<text x="8" y="{}" fill="#c33">edge</text><text x="8" y="{}" fill="#c33">cloud</text>"##, cut_y - 6, cut_y + 16);
    for node in &report.nodes {
        arrows(&mut out, node, &places);
    }
    for node in &report.nodes {
        shape(&mut out, node, &places);
    }
    out.push_str("</svg>\n");
    out
}

/// The longest way from a source. A name may stand twice (a sink may be called like a view): the first one counts.
fn depths(report: &PlanReport) -> HashMap<&str, usize> {
    let mut depth: HashMap<&str, usize> = HashMap::new();
    for node in &report.nodes {
        let above = node.reads.iter().filter_map(|r| depth.get(r.as_str())).max().map_or(0, |d| d + 1);
        depth.entry(node.name.as_str()).or_insert(above);
    }
    depth
}

fn rows(report: &PlanReport, depth: &HashMap<&str, usize>, tier: Tier) -> usize {
    let mut count: HashMap<usize, usize> = HashMap::new();
    for node in report.nodes.iter().filter(|n| n.tier == tier) {
        *count.entry(depth.get(node.name.as_str()).copied().unwrap_or(0)).or_default() += 1;
    }
    count.values().max().copied().unwrap_or(1)
}

fn places<'a>(report: &'a PlanReport, depth: &HashMap<&str, usize>, cut_y: usize) -> Places<'a> {
    let mut next: HashMap<(Tier, usize), usize> = HashMap::new();
    let mut places = Places::new();
    for node in &report.nodes {
        let column = depth.get(node.name.as_str()).copied().unwrap_or(0);
        let row = next.entry((node.tier, column)).or_default();
        let top = if node.tier == Tier::Edge { MARGIN } else { cut_y + GAP_Y };
        places.entry(node.name.as_str()).or_insert((MARGIN + column * (BOX_WIDTH + GAP_X), top + *row * (BOX_HEIGHT + GAP_Y)));
        *row += 1;
    }
    places
}

fn arrows(out: &mut String, node: &PlanNode, places: &Places<'_>) {
    let Some(&(x2, y2)) = places.get(node.name.as_str()) else { return };
    for read in &node.reads {
        let Some(&(x1, y1)) = places.get(read.as_str()) else { continue };
        let dash = if node.kind == "delta" { r#" stroke-dasharray="4 3""# } else { "" };
        let (from_x, from_y, to_y) = (x1 + BOX_WIDTH, y1 + BOX_HEIGHT / 2, y2 + BOX_HEIGHT / 2);
        let _ = writeln!(
            out,
            r##"<path d="M{from_x},{from_y} C{},{from_y} {},{to_y} {x2},{to_y}" fill="none" stroke="#555"{dash} marker-end="url(#a)"/>"##,
            from_x + 30,
            x2.saturating_sub(30)
        );
    }
}

fn shape(out: &mut String, node: &PlanNode, places: &Places<'_>) {
    let Some(&(x, y)) = places.get(node.name.as_str()) else { return };
    let fill = match node.kind {
        "source" => "#dff0ff",
        "view" => "#fff3d6",
        "delta" | "remediation" => "#ffe1e1",
        "sink" | "kpi" => "#eee",
        _ => "#e3f5e1",
    };
    let _ = writeln!(out, r##"<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" fill="{fill}" stroke="#555"/>"##);
    let _ = writeln!(
        out,
        r##"<text x="{}" y="{}">{}</text><text x="{}" y="{}" fill="#666">{}</text>"##,
        x + 8,
        y + 18,
        escape(&node.name),
        x + 8,
        y + 35,
        node.kind
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
