"""Tables of names with more columns than a number and a name."""

import pytest

from mrcnn.data.formats.label_mapping import label_classes
from mrcnn.data.formats.names_files import read_names
from mrcnn.errors import DataError

ADE = ("Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1576\t11664\t1172\t1\twall\n"
       "2\t0.1072\t6046\t612\t1\tbuilding, edifice\n"
       "3\t0.0878\t8265\t796\t1\tsky\n")


@pytest.mark.parametrize("file, text", [
    ("objectInfo150.txt", ADE),
    ("objectInfo150.csv", ADE),
    ("names.csv", 'Idx,Ratio,Name\n1,0.1,wall\n2,0.2,"building, edifice"\n3,0.3,sky\n'),
    ("names.txt", "name;category;id;trainId\nwall;flat;1;0\nbuilding, edifice;flat;2;1\nsky;nature;3;2\n"),
    ("names.csv", 'label,class_name,class id\n9,wall,1\n9,"building, edifice",2\n8,sky,3\n'),
])
def test_columns_are_told_by_the_head(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    with pytest.warns(UserWarning, match=f"{file}: its columns '.*' and '.*' are the numbers and names; [1-4] others"):
        names = read_names(tmp_path / file)
    assert names == {1: "wall", 2: "building, edifice", 3: "sky"}
    assert label_classes(names).table[:4].tolist() == [0, 1, 2, 3]  # 0 is what ADE20K has no name for


@pytest.mark.parametrize("file, text, columns", [
    ("names.txt", "Nr\tPart\tColour\n0\that\tred\n1\thair\tblue\n", 3),
    ("names.csv", "Nr;Part;Colour\n0;hat;red\n1;hair;blue\n", 3),
    ("names.csv", "id,class,category,n\n0,hat,top,1\n1,hair,top,1\n", 4),
    ("names.txt", "0\that\tred\n1\thair\tblue\n", 3),
])
def test_other_heads_are_refused_with_the_remedy(tmp_path, file, text, columns):
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=f"{file}: has {columns} columns, .*call one id and one name"):
        read_names(tmp_path / file)
